package ses

import (
	"context"

	"github.com/sesame-mta/sesame/api"
)

type sendBulkTemplatedEmailRequest struct {
	Source              string `api:"required"`
	Template            string `api:"required"`
	DefaultTemplateData string
	Destinations        []struct {
		Destination             *destination `api:"required"`
		ReplacementTags         []tag
		ReplacementTemplateData string
	} `api:"required"`
	ReplyToAddresses     []string
	ReturnPath           string
	DefaultTags          []tag
	ConfigurationSetName string
}

type bulkStatus struct {
	Status    string
	Error     string
	MessageId string
}

type sendBulkTemplatedEmailResult struct {
	Status []bulkStatus
}

func (s *Server) sendBulkTemplatedEmail(ctx context.Context, c *api.Call, in *sendBulkTemplatedEmailRequest) (*sendBulkTemplatedEmailResult, error) {
	b := &api.Bulk{Templated: api.Templated{
		Sending: api.Sending{
			Operation: "SendBulkTemplatedEmail", From: in.Source, Return: in.ReturnPath,
			ConfigurationSet: in.ConfigurationSetName, Tags: tags(in.DefaultTags), MaxBytes: maxMessage,
		},
		ReplyTo: in.ReplyToAddresses, Template: in.Template, Data: in.DefaultTemplateData,
	}}
	for _, d := range in.Destinations {
		b.Entries = append(b.Entries, api.Entry{
			To: d.Destination.ToAddresses, Cc: d.Destination.CcAddresses, Bcc: d.Destination.BccAddresses,
			Data: d.ReplacementTemplateData, Tags: tags(d.ReplacementTags),
		})
	}
	sent, err := s.r.SendBulk(ctx, c, b)
	if err != nil {
		return nil, err
	}
	out := &sendBulkTemplatedEmailResult{Status: make([]bulkStatus, len(sent))}
	for i := range sent {
		status, _ := sent[i].Status()
		if out.Status[i].Status = status; sent[i].Err != nil {
			out.Status[i].Error = sent[i].Err.Message
		} else {
			out.Status[i].MessageId = sent[i].ID.String()
		}
	}
	return out, nil
}
