package submission

import (
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// told makes the event of a type that tells of a message at the time when it was
// accepted; false when nobody wants it.
func (d *Desk) told(t event.Type, m *queue.Message) (event.Event, bool) {
	if d.o.Interest == nil {
		return event.Event{}, false
	}
	names := d.o.Interest(t, m)
	if len(names) == 0 {
		return event.Event{}, false
	}
	return event.Event{Type: t, Message: m.ID, Account: m.Account, Time: m.Accepted,
		Recipients: recipients(nil, m.To), Consumers: names}, true
}

// failed makes a submission one of events only: first that the call was accepted,
// then why there is no mail (spec section 8.5).
func (d *Desk) failed(s *queue.Submission, why *event.Failure) {
	s.EventsOnly, s.Content = true, nil
	if e, ok := d.told(event.RenderingFailure, &s.Message); ok {
		e.Failure = why
		s.Events = append(s.Events, e)
	}
}

// noteFailure tells the log and the trace why there is no mail.
func (d *Desk) noteFailure(m *queue.Message, why *event.Failure) {
	d.metrics.unrendered.Inc()
	d.o.Log.Info("template not rendered", "id", m.ID, "account", m.Account, "from", m.From.String(), "text", why.Text)
	if !d.o.Trace.On() {
		return
	}
	rec := &trace.Record{Kind: trace.Settled, Time: m.Accepted, ID: m.ID, Account: m.Account, From: m.From.String(), Text: why.Text}
	for _, to := range m.To {
		rec.To = append(rec.To, to.String())
		rec.Outcomes = append(rec.Outcomes, trace.Outcome{To: to.String(), Result: mail.Failed.String(), Cause: why.Text})
	}
	d.o.Trace.Add(rec)
}
