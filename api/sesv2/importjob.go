package sesv2

import (
	"context"
	"encoding/json"

	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
	"github.com/sesame-mta/sesame/api"
)

type suppressionListDestination struct {
	SuppressionListImportAction string `api:"required"`
}

type importDestination struct {
	SuppressionListDestination *suppressionListDestination `json:",omitempty"`
	ContactListDestination     json.RawMessage             `json:",omitempty"`
}

type importDataSource struct {
	S3Url      string `api:"required"`
	DataFormat string `api:"required"`
}

type createImportJobRequest struct {
	ImportDestination *importDestination `api:"required"`
	ImportDataSource  *importDataSource  `api:"required"`
}

type createImportJobResult struct{ JobId string }

// errDestination is the answer to none or both kinds of destination.
var errDestination = api.BadParameter("ImportDestination must be exactly one of SuppressionListDestination and ContactListDestination.")

func (s *Server) createImportJob(ctx context.Context, c *api.Call, in *createImportJobRequest) (*createImportJobResult, error) {
	d := in.ImportDestination
	switch {
	case (d.SuppressionListDestination != nil) == (d.ContactListDestination != nil):
		return nil, errDestination
	case d.ContactListDestination != nil:
		return nil, api.NotThere()
	}
	from := in.ImportDataSource
	job, err := s.r.Import(ctx, c, from.S3Url, from.DataFormat, d.SuppressionListDestination.SuppressionListImportAction)
	if err != nil {
		return nil, err
	}
	return &createImportJobResult{job.ID}, nil
}

type getImportJobRequest struct {
	JobId string `path:"JobId" api:"required"`
}

type failureInfo struct{ ErrorMessage string }

type importJobSummary struct {
	JobId                 string
	ImportDestination     importDestination
	JobStatus             string
	CreatedTimestamp      api.Time
	ProcessedRecordsCount int
	FailedRecordsCount    int
}

type getImportJobResult struct {
	importJobSummary
	ImportDataSource   importDataSource
	CompletedTimestamp api.Time     `json:",omitzero"`
	FailureInfo        *failureInfo `json:",omitempty"`
}

func (s *Server) getImportJob(_ context.Context, c *api.Call, in *getImportJobRequest) (*getImportJobResult, error) {
	j, err := s.r.ImportJob(c, in.JobId)
	if err != nil {
		return nil, err
	}
	out := &getImportJobResult{importJobSummary: summary(j), CompletedTimestamp: api.At(j.Ended), ImportDataSource: importDataSource{j.URL, "CSV"}}
	if j.Form == suppression.JSONL {
		out.ImportDataSource.DataFormat = "JSON"
	}
	if j.Why != "" {
		out.FailureInfo = &failureInfo{j.Why}
	}
	return out, nil
}

func summary(j imports.Job) importJobSummary {
	action := "PUT"
	if j.Delete {
		action = "DELETE"
	}
	return importJobSummary{
		JobId: j.ID, JobStatus: string(j.State), CreatedTimestamp: api.At(j.Made), ProcessedRecordsCount: j.Lines, FailedRecordsCount: j.Bad,
		ImportDestination: importDestination{SuppressionListDestination: &suppressionListDestination{action}},
	}
}

type listImportJobsRequest struct {
	ImportDestinationType string
	NextToken             string `query:"NextToken"`
	PageSize              int    `query:"PageSize"`
}

type listImportJobsResult struct {
	ImportJobs []importJobSummary
	NextToken  string `json:",omitempty"`
}

func (s *Server) listImportJobs(_ context.Context, c *api.Call, in *listImportJobsRequest) (*listImportJobsResult, error) {
	if err := api.OneOf("importDestinationType", in.ImportDestinationType, "SUPPRESSION_LIST", "CONTACT_LIST"); err != nil {
		return nil, err
	}
	out := &listImportJobsResult{ImportJobs: []importJobSummary{}}
	if in.ImportDestinationType == "CONTACT_LIST" {
		return out, nil
	}
	list, next, err := s.r.ImportJobs(c, in.NextToken, in.PageSize)
	if err != nil {
		return nil, err
	}
	for _, j := range list {
		out.ImportJobs = append(out.ImportJobs, summary(j))
	}
	out.NextToken = next
	return out, nil
}
