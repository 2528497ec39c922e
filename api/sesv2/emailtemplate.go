package sesv2

import (
	"context"

	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/api"
)

type templateContent struct {
	Subject string `json:",omitempty"`
	Text    string `json:",omitempty"`
	Html    string `json:",omitempty"`
}

func (t *templateContent) content() template.Content {
	return template.Content{Subject: t.Subject, Text: t.Text, HTML: t.Html}
}

type createEmailTemplateRequest struct {
	TemplateName    string           `api:"required"`
	TemplateContent *templateContent `api:"required"`
	Tags            []resourceTag
}

func (s *Server) createEmailTemplate(ctx context.Context, c *api.Call, in *createEmailTemplateRequest) (*none, error) {
	return &none{}, s.r.CreateTemplate(ctx, c, in.TemplateName, in.TemplateContent.content(), labels(in.Tags))
}

type updateEmailTemplateRequest struct {
	TemplateName    string           `path:"TemplateName" api:"required"`
	TemplateContent *templateContent `api:"required"`
}

func (s *Server) updateEmailTemplate(ctx context.Context, c *api.Call, in *updateEmailTemplateRequest) (*none, error) {
	return &none{}, s.r.UpdateTemplate(ctx, c, in.TemplateName, in.TemplateContent.content())
}

type emailTemplateRequest struct {
	TemplateName string `path:"TemplateName" api:"required"`
}

func (s *Server) deleteEmailTemplate(ctx context.Context, c *api.Call, in *emailTemplateRequest) (*none, error) {
	return &none{}, s.r.DeleteTemplate(ctx, c, in.TemplateName)
}

type getEmailTemplateResult struct {
	TemplateName    string
	TemplateContent templateContent
	Tags            []resourceTag
}

func (s *Server) getEmailTemplate(ctx context.Context, c *api.Call, in *emailTemplateRequest) (*getEmailTemplateResult, error) {
	t, err := s.r.Template(ctx, c, in.TemplateName)
	if err != nil {
		return nil, err
	}
	return &getEmailTemplateResult{t.Name, templateContent{t.Subject, t.Text, t.HTML}, resourceTags(t.Labels)}, nil
}

type listEmailTemplatesRequest struct {
	NextToken string `query:"NextToken"`
	PageSize  int    `query:"PageSize"`
}

type emailTemplateMetadata struct {
	TemplateName     string
	CreatedTimestamp api.Time
}

type listEmailTemplatesResult struct {
	TemplatesMetadata []emailTemplateMetadata
	NextToken         string `json:",omitempty"`
}

func (s *Server) listEmailTemplates(_ context.Context, c *api.Call, in *listEmailTemplatesRequest) (*listEmailTemplatesResult, error) {
	page, next, err := s.r.TemplatePage(c, in.NextToken, in.PageSize)
	if err != nil {
		return nil, err
	}
	out := &listEmailTemplatesResult{TemplatesMetadata: make([]emailTemplateMetadata, len(page)), NextToken: next}
	for i, t := range page {
		out.TemplatesMetadata[i] = emailTemplateMetadata{t.Name, api.At(t.Created)}
	}
	return out, nil
}

type testRenderEmailTemplateRequest struct {
	TemplateName string `path:"TemplateName" api:"required"`
	TemplateData string `api:"required"`
}

type testRenderEmailTemplateResult struct {
	RenderedTemplate string
}

func (s *Server) testRenderEmailTemplate(ctx context.Context, c *api.Call, in *testRenderEmailTemplateRequest) (*testRenderEmailTemplateResult, error) {
	text, err := s.r.TestRender(ctx, c, in.TemplateName, in.TemplateData)
	if err != nil {
		return nil, err
	}
	return &testRenderEmailTemplateResult{text}, nil
}
