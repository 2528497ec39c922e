package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/mail/handlebars"
)

// Template is a mail template of an account.
type Template struct {
	Account       string    `json:"account"`
	Name          string    `json:"name"`
	Subject       string    `json:"subject"`
	Text          string    `json:"text"`
	HTML          string    `json:"html"`
	FailOnMissing bool      `json:"fail_on_missing"`
	Created       time.Time `json:"created"`
	Updated       time.Time `json:"updated"`
}

// TemplateName is a template in a list.
type TemplateName struct {
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// TemplateChange is what to give a template; nil leaves a part as it is, or in a
// new template empty.
type TemplateChange struct {
	Subject       *string `json:"subject,omitempty"`
	Text          *string `json:"text,omitempty"`
	HTML          *string `json:"html,omitempty"`
	FailOnMissing *bool   `json:"fail_on_missing,omitempty"`
}

// templateRequest is the body of POST /v1/templates.
type templateRequest struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	TemplateChange
}

func (q templateRequest) owner() string { return q.Account }

// renderRequest is the body of POST /v1/templates/render.
type renderRequest struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Data    string `json:"data"`
}

func (q renderRequest) owner() string { return q.Account }

// Rendered is what a template becomes.
type Rendered struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// templatesPath begins the paths of templates, whose bodies may be larger than
// those of other requests: 500 KB, with the escapes of JSON.
const (
	templatesPath   = "/v1/templates"
	maxTemplateBody = 6*template.MaxOctets + maxBody
	maxRendered     = 10 << 20
)

// errNotRendered says that a template and data do not go together.
var errNotRendered = errors.New("not rendered")

func (s *Server) templateRoutes() map[string]handler {
	return map[string]handler{
		"GET " + templatesPath:              s.listTemplates,
		"GET " + templatesPath + "/show":    s.showTemplate,
		"POST " + templatesPath:             s.putTemplate,
		"POST " + templatesPath + "/render": s.renderTemplate,
		"DELETE " + templatesPath:           s.deleteTemplate,
	}
}

// apply changes a template.
func (c TemplateChange) apply(t *template.Template) {
	for _, part := range []struct {
		from *string
		into *string
	}{{c.Subject, &t.Subject}, {c.Text, &t.Text}, {c.HTML, &t.HTML}} {
		if part.from != nil {
			*part.into = *part.from
		}
	}
	if c.FailOnMissing != nil {
		t.Labels = t.Labels.With(account.Labels{template.FailOnMissing: strconv.FormatBool(*c.FailOnMissing)})
	}
}

// putTemplate makes a template, or changes the one that is there.
func (s *Server) putTemplate(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, templateRequest.owner)
	if err != nil {
		return nil, err
	}
	t, err := s.o.Templates.Change(r.Context(), id, q.Name, q.apply)
	if errors.Is(err, account.ErrNotFound) {
		t = template.Template{Account: id, Name: q.Name}
		q.apply(&t)
		t, err = s.o.Templates.Create(r.Context(), t)
	}
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("template kept", "account", id, "text", t.Name)
	return s.template(&t), nil
}

func (s *Server) showTemplate(r *http.Request) (any, error) {
	id, name, err := s.owned(r)
	if err != nil {
		return nil, err
	}
	t, err := s.o.Templates.Get(r.Context(), id, name)
	if err != nil {
		return nil, s.noTemplate(err, id)
	}
	return s.template(&t.Template), nil
}

func (s *Server) deleteTemplate(r *http.Request) (any, error) {
	id, name, err := s.owned(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.Templates.Delete(r.Context(), id, name); err != nil {
		return nil, s.noTemplate(err, id)
	}
	s.o.Log.Info("template deleted", "account", id, "text", name)
	return TemplateName{Account: s.name(id), Name: name}, nil
}

func (s *Server) renderTemplate(r *http.Request) (any, error) {
	q, id, err := readOf(s, r, renderRequest.owner)
	if err != nil {
		return nil, err
	}
	t, err := s.o.Templates.Get(r.Context(), id, q.Name)
	if err != nil {
		return nil, s.noTemplate(err, id)
	}
	d, err := handlebars.ReadData(q.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRendered, err)
	}
	filled, err := t.Fill(r.Context(), d, maxRendered)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRendered, err)
	}
	return Rendered(filled), nil
}

func (s *Server) listTemplates(r *http.Request) (any, error) {
	return narrowed(s, r, s.o.Templates.List, func(t template.Name) TemplateName { return TemplateName{s.name(t.Account), t.Name, t.Created} })
}

func (s *Server) template(t *template.Template) Template {
	return Template{Account: s.name(t.Account), Name: t.Name, Subject: t.Subject, Text: t.Text, HTML: t.HTML,
		FailOnMissing: t.FailsOnMissing(), Created: t.Created, Updated: t.Updated}
}

// bodyLimit gives how large the body of a request may be.
func bodyLimit(path string) int64 {
	if strings.HasPrefix(path, templatesPath) {
		return maxTemplateBody
	}
	return maxBody
}

// PutTemplate makes a template of an account that exists, or changes it.
func (c *Client) PutTemplate(ctx context.Context, account, name string, t TemplateChange) (Template, error) {
	return one[Template](ctx, c, "POST", templatesPath, nil, templateRequest{account, name, t})
}

// Template gives one.
func (c *Client) Template(ctx context.Context, account, name string) (Template, error) {
	return one[Template](ctx, c, "GET", templatesPath+"/show", url.Values{"account": {account}, "name": {name}}, nil)
}

// RenderTemplate tells what one becomes with data, an object of JSON.
func (c *Client) RenderTemplate(ctx context.Context, account, name, data string) (Rendered, error) {
	return one[Rendered](ctx, c, "POST", templatesPath+"/render", nil, renderRequest{account, name, data})
}

// DeleteTemplate ends one.
func (c *Client) DeleteTemplate(ctx context.Context, account, name string) (TemplateName, error) {
	return one[TemplateName](ctx, c, "DELETE", templatesPath, url.Values{"account": {account}, "name": {name}}, nil)
}

// Templates lists those of an account, or with an empty name of all.
func (c *Client) Templates(ctx context.Context, account string) iter.Seq2[TemplateName, error] {
	return many[TemplateName](ctx, c, templatesPath, url.Values{"account": {account}})
}
