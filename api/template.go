package api

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/mail/compose"
	"github.com/sesame-mta/sesame/mail/handlebars"
	"github.com/sesame-mta/sesame/mail/message"
)

// MaxTemplateData bounds the data of one rendering in octets (spec section 10.2).
const MaxTemplateData = 262_144

// maxFilled bounds what a template becomes in octets, and smallFilled what may be in
// memory without asking.
const (
	maxFilled   = 10 << 20
	smallFilled = 96 << 10
	// maxLargeFilled is how many may take more than that at a time.
	maxLargeFilled = 2
)

// The errors about templates that the versions name apart.
var (
	noTemplate  = kind(Shape{400, "TemplateDoesNotExist"}, Shape{404, "NotFoundException"})
	badTemplate = kind(Shape{400, "InvalidTemplate"}, Shape{400, "BadRequestException"})
	badData     = kind(Shape{400, "InvalidRenderingParameter"}, Shape{400, "BadRequestException"})
	missingData = kind(Shape{400, "MissingRenderingAttribute"}, Shape{400, "BadRequestException"})
	exists      = kind(Shape{400, "AlreadyExists"}, Shape{400, "AlreadyExistsException"})
)

// about names the thing that an error of version 1 is about.
func (e *Error) about(element, name string) *Error {
	c := *e
	c.Data = map[string]string{element: name}
	return &c
}

// ofTemplate gives an error of the book of templates the words of the API.
func ofTemplate(err error, name string) error {
	var part *template.PartError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrNotFound):
		return noTemplate("Template "+name+" does not exist").about("TemplateName", name)
	case errors.Is(err, account.ErrExists):
		return exists("Template "+name+" already exists.").about("Name", name)
	case errors.As(err, &part):
		return badTemplate("Template is invalid: "+part.Error()).about("TemplateName", name)
	case errors.Is(err, template.ErrSize):
		return badTemplate("Template is invalid: "+err.Error()).about("TemplateName", name)
	case errors.Is(err, template.ErrSubject), errors.Is(err, template.ErrName), errors.Is(err, account.ErrLabels):
		return BadParameter(err.Error())
	case errors.Is(err, template.ErrTooMany):
		return Limit(err.Error())
	}
	return err
}

// CreateTemplate keeps a template for the caller's account.
func (r *Rooms) CreateTemplate(ctx context.Context, c *Call, name string, content template.Content, labels account.Labels) error {
	t := template.Template{Account: c.Account.ID, Name: name, Content: content, Labels: labels}
	_, err := r.Templates.Create(ctx, t)
	return ofTemplate(err, name)
}

// UpdateTemplate gives a template other content.
func (r *Rooms) UpdateTemplate(ctx context.Context, c *Call, name string, content template.Content) error {
	_, err := r.Templates.Change(ctx, c.Account.ID, name, func(t *template.Template) { t.Content = content })
	return ofTemplate(err, name)
}

// DeleteTemplate ends a template.
func (r *Rooms) DeleteTemplate(ctx context.Context, c *Call, name string) error {
	return ofTemplate(r.Templates.Delete(ctx, c.Account.ID, name), name)
}

// Template gives a template.
func (r *Rooms) Template(ctx context.Context, c *Call, name string) (*template.Ready, error) {
	t, err := r.Templates.Get(ctx, c.Account.ID, name)
	return t, ofTemplate(err, name)
}

// TemplatePage lists a page of templates: 10 unless asked for more, at most 100.
func (r *Rooms) TemplatePage(c *Call, token string, asked int) (page []template.Name, next string, err error) {
	if asked == 0 {
		asked = 10
	}
	size, err := Size(asked, 100)
	if err != nil {
		return nil, "", err
	}
	return Page(r.Templates.List(c.Account.ID), func(t template.Name) string { return t.Name }, token, size)
}

// TemplateByARN gives the name of a template of the caller's account.
func (r *Rooms) TemplateByARN(c *Call, arn string) (string, error) {
	kind, name, err := r.resource(c, arn)
	if err == nil && kind != KindTemplate {
		err = BadParameter("Invalid ARN <" + arn + ">.")
	}
	return name, err
}

// readData reads the data of a rendering.
func readData(member, text string) (handlebars.Data, error) {
	if len(text) > MaxTemplateData {
		return handlebars.Data{}, Within(member, text, MaxTemplateData)
	}
	d, err := handlebars.ReadData(text)
	if err != nil {
		return handlebars.Data{}, badData("Template rendering data is invalid")
	}
	return d, nil
}

// fill fills a template. What it becomes counts as memory until done is called.
func (c *Call) fill(ctx context.Context, t *template.Ready, d handlebars.Data) (filled template.Content, done func(), err error) {
	done = func() {}
	filled, err = t.Fill(ctx, d, smallFilled)
	if errors.Is(err, handlebars.ErrOutput) {
		if err := c.door.filled.Acquire(ctx, 1); err != nil {
			return filled, done, Unavailable("Temporary service failure").WithCause(err)
		}
		done = func() { c.door.filled.Release(1) }
		if filled, err = t.Fill(ctx, d, maxFilled); err != nil {
			done()
			done = func() {}
		}
	}
	if errors.Is(err, handlebars.ErrOutput) || errors.Is(err, handlebars.ErrWork) {
		err = badTemplate("Template cannot be rendered: "+err.Error()).about("TemplateName", t.Name)
	}
	return filled, done, err
}

// missing says that data lacks a value.
func missing(m *handlebars.MissingError, name string) *Error {
	return missingData(m.Error()).about("TemplateName", name)
}

// TestRender gives the message that a template becomes.
func (r *Rooms) TestRender(ctx context.Context, c *Call, name, data string) (string, error) {
	t, err := r.Template(ctx, c, name)
	if err != nil {
		return "", err
	}
	d, err := readData("templateData", data)
	if err != nil {
		return "", err
	}
	filled, done, err := c.fill(ctx, t, d)
	defer done()
	var lacks *handlebars.MissingError
	if errors.As(err, &lacks) {
		return "", missing(lacks, name)
	}
	if err != nil {
		return "", err
	}
	m := compose.Message{Text: filled.Text, HTML: filled.HTML, Fields: []compose.Field{
		{Name: "Date", Value: message.Date(time.Now())}, {Name: "Subject", Value: filled.Subject}}}
	if err := m.Check(); err != nil {
		return "", BadParameter(err.Error())
	}
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		return "", err
	}
	return out.String(), nil
}
