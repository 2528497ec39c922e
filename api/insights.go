package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// Insight is one thing that happened to one recipient of a message.
type Insight struct {
	Time time.Time
	Type string // in the words of the API: SEND, DELIVERY, BOUNCE
	// Kind and SubKind are those of a bounce or a complaint, Reply what a host said.
	Kind, SubKind, Reply string
}

// Life is what is known of a message, by recipient in the order of the envelope.
type Life struct {
	From, Subject string
	Tags          []queue.Tag
	To            []string
	Insights      map[string][]Insight
}

// Life tells what became of a message of the caller's account.
func (r *Rooms) Life(ctx context.Context, c *Call, id string) (*Life, error) {
	none := NotFound("Message " + id + " does not exist.")
	parsed, err := mail.ParseID(id)
	if err != nil {
		return nil, none
	}
	stories, err := r.Trace.Find(ctx, trace.Query{ID: parsed})
	if errors.Is(err, trace.ErrOff) {
		return nil, NotThere()
	}
	if err != nil {
		return nil, err
	}
	l := &Life{Insights: map[string][]Insight{}}
	for _, story := range stories {
		for _, rec := range story.Records {
			if rec.Account == c.Account.ID && rec.ID == parsed {
				l.add(rec)
			}
		}
	}
	if len(l.Insights) == 0 {
		return nil, none
	}
	return l, r.describe(ctx, c, parsed, l)
}

// add adds what a record tells.
func (l *Life) add(rec *trace.Record) {
	put := func(to string, i Insight) {
		if _, known := l.Insights[to]; !known {
			l.To = append(l.To, to)
		}
		i.Time = rec.Time
		l.Insights[to] = append(l.Insights[to], i)
	}
	if rec.Kind == trace.Accepted {
		l.From = rec.From
		for _, to := range rec.To {
			if len(l.Insights[to]) == 0 { // who stands there twice gets one mail
				put(to, Insight{Type: "SEND"})
			}
		}
	}
	for _, o := range rec.Outcomes {
		i := Insight{Type: insightOf(o), Kind: o.Type, SubKind: o.SubType, Reply: o.Reply}
		if i.Type != "" {
			put(o.To, i)
		}
	}
}

// insightOf gives the word of the API for an outcome; empty for one that it has no
// word for.
func insightOf(o trace.Outcome) string {
	switch {
	case o.Event != "":
		return strings.ReplaceAll(strings.ToUpper(o.Event), " ", "_")
	case o.Result == mail.Delivered.String():
		return "DELIVERY"
	case o.Result == mail.Deferred.String():
		return "DELIVERY_DELAY"
	}
	return ""
}

// describe adds what the trace does not know, if the message is kept.
func (r *Rooms) describe(ctx context.Context, c *Call, id mail.ID, l *Life) error {
	m, err := r.Messages.Kept(ctx, id)
	if errors.Is(err, queue.ErrNotFound) || errors.Is(err, queue.ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	if m.Account != c.Account.ID {
		return nil
	}
	l.Tags = m.Tags
	if len(m.Mail) == 0 {
		return nil
	}
	if object, err := event.ReadMail(m.ID, m.Account, m.Mail); err == nil {
		l.Subject = object.CommonHeaders.Subject
		if len(object.CommonHeaders.From) > 0 {
			l.From = object.CommonHeaders.From[0]
		}
	}
	return nil
}
