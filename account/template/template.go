package template

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/mail/handlebars"
)

// Content is the parts of a template, or what they became.
type Content struct{ Subject, Text, HTML string }

// Template is a mail that is filled in for each recipient.
type Template struct {
	Account string // 12 digits
	Name    string // unique within the account; letter case counts
	Content
	Created, Updated time.Time
	Labels           account.Labels
}

// FailOnMissing is the label that makes a template refuse data that lacks a value,
// with the value "true". Without it the call succeeds and an event tells.
const FailOnMissing = "sesame:fail_on_missing"

// FailsOnMissing reports whether data that lacks a value is refused.
func (t *Template) FailsOnMissing() bool { return t.Labels[FailOnMissing] == "true" }

// Bounds of templates (spec section 10.5).
const (
	MaxTemplates = 20_000 // of one account
	MaxOctets    = 500 << 10
	maxName      = 64
)

// What can be wrong with a template, beside account.ErrNotFound, account.ErrExists,
// account.ErrLabels and a *PartError.
var (
	ErrName    = errors.New("the name of a template is 1 to 64 characters, without control characters")
	ErrSubject = errors.New("The subject must be specified.")
	ErrSize    = errors.New("a template has at most 500 KB")
	ErrSyntax  = errors.New("a part of the template cannot be read")
	ErrTooMany = fmt.Errorf("an account has at most %d templates", MaxTemplates)
)

// PartError says which part of a template cannot be read, and why.
type PartError struct {
	Part string // "subject", "text" or "HTML"
	Err  *handlebars.SyntaxError
}

// Error implements error.
func (e *PartError) Error() string { return e.Part + " part, " + e.Err.Error() }

// Unwrap gives the cause, and ErrSyntax.
func (e *PartError) Unwrap() []error { return []error{e.Err, ErrSyntax} }

// Ready is a template that was read.
type Ready struct {
	Template
	subject, text, html *handlebars.Template
	version             uint64
}

// Read makes a template ready, whether a book keeps it or not. It checks all but
// the name.
func Read(t Template) (*Ready, error) {
	switch {
	case t.Subject == "":
		return nil, ErrSubject
	case len(t.Subject)+len(t.Text)+len(t.HTML) > MaxOctets:
		return nil, ErrSize
	}
	r := &Ready{Template: t}
	for _, part := range []struct {
		name, text string
		into       **handlebars.Template
	}{{"subject", t.Subject, &r.subject}, {"text", t.Text, &r.text}, {"HTML", t.HTML, &r.html}} {
		parsed, err := handlebars.Parse(part.text)
		var syntax *handlebars.SyntaxError
		if errors.As(err, &syntax) {
			return nil, &PartError{part.name, syntax}
		}
		*part.into = parsed
	}
	return r, nil
}

// Plain reports whether the template only puts values into text.
func (r *Ready) Plain() bool { return r.subject.Plain() && r.text.Plain() && r.html.Plain() }

// size is about how many octets it takes in memory.
func (r *Ready) size() int {
	return len(r.Subject) + len(r.Text) + len(r.HTML) + r.subject.Size() + r.text.Size() + r.html.Size()
}

// maxSteps bounds the work of filling one template.
const maxSteps = 1_000_000

// placeholders gives what is filled in later, with what is known of the message
// then (spec section 3.7); until then it stands for itself.
func placeholders() handlebars.Data {
	return handlebars.Texts(
		"amazonSESUnsubscribeUrl", "{{amazonSESUnsubscribeUrl}}",
		"sesameUnsubscribeUrl", "{{sesameUnsubscribeUrl}}",
	)
}

// Fill puts data in. All parts together have at most octets. The error is a
// *handlebars.MissingError, handlebars.ErrOutput, handlebars.ErrWork or that of ctx.
func (r *Ready) Fill(ctx context.Context, d handlebars.Data, octets int) (c Content, err error) {
	d = d.Before(placeholders())
	b := &handlebars.Budget{Steps: maxSteps, Octets: octets}
	for _, part := range []struct {
		from *handlebars.Template
		into *string
	}{{r.subject, &c.Subject}, {r.text, &c.Text}, {r.html, &c.HTML}} {
		if *part.into, err = part.from.Render(ctx, d, b); err != nil {
			return Content{}, err
		}
	}
	return c, nil
}

// check says what is wrong with a template in itself.
func (t *Template) check() error {
	if t.Name == "" || utf8.RuneCountInString(t.Name) > maxName || !utf8.ValidString(t.Name) || strings.ContainsFunc(t.Name, unicode.IsControl) {
		return ErrName
	}
	return t.Labels.Check()
}

// version is that of the form on disk. Fields may be added to it, all optional.
const version = 1

// data is a Template on disk; the account and the name are the record's.
type data struct {
	V       int            `json:"v"`
	Subject string         `json:"subject"`
	Text    string         `json:"text,omitempty"`
	HTML    string         `json:"html,omitempty"`
	Created time.Time      `json:"created"`
	Updated time.Time      `json:"updated"`
	Labels  account.Labels `json:"labels,omitempty"`
}

func (t *Template) record(at uint64) (account.Record, error) {
	text, err := json.Marshal(data{version, t.Subject, t.Text, t.HTML, t.Created, t.Updated, t.Labels})
	return account.Record{Kind: account.KindTemplate, Account: t.Account, Name: t.Name, Version: at, Data: text}, err
}

func decode(r account.Record) (Template, error) {
	var d data
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Template{}, fmt.Errorf("template %s of %s: %w", r.Name, r.Account, err)
	}
	if d.V != version {
		return Template{}, fmt.Errorf("template %s of %s has the form %d, which this program does not know", r.Name, r.Account, d.V)
	}
	return Template{r.Account, r.Name, Content{d.Subject, d.Text, d.HTML}, d.Created, d.Updated, d.Labels}, nil
}
