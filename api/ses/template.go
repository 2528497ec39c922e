package ses

import (
	"context"

	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/api"
)

type mailTemplate struct {
	TemplateName string `api:"required"`
	SubjectPart  string
	TextPart     string
	HtmlPart     string
}

func (t *mailTemplate) content() template.Content {
	return template.Content{Subject: t.SubjectPart, Text: t.TextPart, HTML: t.HtmlPart}
}

type templateRequest struct {
	Template *mailTemplate `api:"required"`
}

func (s *Server) createTemplate(ctx context.Context, c *api.Call, in *templateRequest) (*none, error) {
	return &none{}, s.r.CreateTemplate(ctx, c, in.Template.TemplateName, in.Template.content(), nil)
}

func (s *Server) updateTemplate(ctx context.Context, c *api.Call, in *templateRequest) (*none, error) {
	return &none{}, s.r.UpdateTemplate(ctx, c, in.Template.TemplateName, in.Template.content())
}

type templateNameRequest struct {
	TemplateName string `api:"required"`
}

func (s *Server) deleteTemplate(ctx context.Context, c *api.Call, in *templateNameRequest) (*none, error) {
	return &none{}, api.IfThere(s.r.DeleteTemplate(ctx, c, in.TemplateName))
}

type getTemplateResult struct {
	Template *mailTemplate
}

func (s *Server) getTemplate(ctx context.Context, c *api.Call, in *templateNameRequest) (*getTemplateResult, error) {
	t, err := s.r.Template(ctx, c, in.TemplateName)
	if err != nil {
		return nil, err
	}
	return &getTemplateResult{&mailTemplate{t.Name, t.Subject, t.Text, t.HTML}}, nil
}

type listTemplatesRequest struct {
	NextToken string
	MaxItems  int
}

type templateMetadata struct {
	Name             string
	CreatedTimestamp api.Time
}

type listTemplatesResult struct {
	TemplatesMetadata []templateMetadata
	NextToken         string
}

func (s *Server) listTemplates(_ context.Context, c *api.Call, in *listTemplatesRequest) (*listTemplatesResult, error) {
	page, next, err := s.r.TemplatePage(c, in.NextToken, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &listTemplatesResult{TemplatesMetadata: make([]templateMetadata, len(page)), NextToken: next}
	for i, t := range page {
		out.TemplatesMetadata[i] = templateMetadata{t.Name, api.At(t.Created)}
	}
	return out, nil
}

type testRenderTemplateRequest struct {
	TemplateName string `api:"required"`
	TemplateData string `api:"required"`
}

type testRenderTemplateResult struct {
	RenderedTemplate string
}

func (s *Server) testRenderTemplate(ctx context.Context, c *api.Call, in *testRenderTemplateRequest) (*testRenderTemplateResult, error) {
	text, err := s.r.TestRender(ctx, c, in.TemplateName, in.TemplateData)
	if err != nil {
		return nil, err
	}
	return &testRenderTemplateResult{text}, nil
}
