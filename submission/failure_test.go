package submission_test

import (
	"slices"
	"testing"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
)

func TestATemplateThatCannotBeFilledIsToldAndNotSent(t *testing.T) {
	s := &spool{}
	why := &event.Failure{Template: "Welcome", Text: "Attribute 'x' is not present in the rendering data."}
	r := request(t, "From: a@example.org\r\nTo: b@example.net\r\n\r\n", submission.Facts{})
	r.Failure, r.Operation = why, "SendTemplatedEmail"
	var seen []event.Type
	d := desk(t, s, published, func(o *submission.Options) {
		o.Observe = func(_ *queue.Message, t event.Type, _ []event.Recipient) { seen = append(seen, t) }
	})
	id, err := d.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got := s.got
	if !got.EventsOnly || got.Content != nil || got.Charge.Recipients != 1 || !s.content.discarded {
		t.Errorf("submitted %+v", got)
	}
	if !slices.Equal(seen, []event.Type{event.RenderingFailure}) {
		t.Errorf("observed %v", seen)
	}
	if len(got.Events) != 2 || got.Events[0].Type != event.Send || got.Events[0].Failure != nil ||
		got.Events[1].Type != event.RenderingFailure || got.Events[1].Failure != why {
		t.Fatalf("events %+v", got.Events)
	}
	for _, e := range got.Events {
		if e.Message != id || len(e.Recipients) != 1 || len(e.Consumers) != 1 {
			t.Fatalf("%+v", e)
		}
	}
	if m, err := event.ReadMail(id, got.Message.Account, got.Message.Mail); err != nil || m.CommonHeaders.Subject != "" || len(m.Headers) != 2 {
		t.Errorf("it has the header of %+v, %v", m.Headers, err)
	}
}

func TestATemplateIsNotToldThatTheRulesRefuse(t *testing.T) {
	s := &spool{}
	r := request(t, "From: a@example.com\r\nTo: b@example.net\r\n\r\n", submission.Facts{})
	r.Failure = &event.Failure{Text: "x"}
	if _, err := desk(t, s, published).Submit(t.Context(), r); err == nil || s.got != nil {
		t.Errorf("%v, %v", err, s.got)
	}
}
