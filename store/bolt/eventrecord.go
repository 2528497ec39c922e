package bolt

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

const eventHeadSize = 2 + mail.IDSize

// The first octet of an event. Those of before are recordVersion and have their
// mail object inside (eventRecord). For destinations the object of the others is
// kept once for their message, unless there was none to refer to.
const (
	eventRefers = 2
	eventAlone  = 3
)

// encodedEvent is an event ready to be written once for each consumer.
type encodedEvent struct {
	kind      event.Type
	message   mail.ID
	consumers []string
	value     []byte
}

// encodeEvents leaves out events that nobody asked for.
func encodeEvents(events []event.Event) ([]encodedEvent, error) {
	var out []encodedEvent
	for i := range events {
		e := &events[i]
		if len(e.Consumers) == 0 {
			continue
		}
		for _, c := range e.Consumers {
			if c == "" || len(c) > maxName {
				return nil, fmt.Errorf("event consumer %q: bad name", c)
			}
		}
		w := unitWriter{make([]byte, 0, eventHeadSize+64+96*len(e.Recipients))}
		w.b = append(w.b, eventRefers, byte(e.Type))
		w.id(e.Message)
		if err := w.event(e); err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		out = append(out, encodedEvent{e.Type, e.Message, e.Consumers, w.b})
	}
	return out, nil
}

// eventHead reads what stands before the rest.
func eventHead(v []byte) (kind event.Type, id mail.ID, ok bool) {
	if len(v) < eventHeadSize || v[0] < recordVersion || v[0] > eventAlone {
		return 0, mail.ID{}, false
	}
	copy(id[:], v[2:])
	return event.Type(v[1]), id, true
}

func decodeEvent(consumer string, k, v []byte) (event.Event, error) {
	kind, id, ok := eventHead(v)
	if !ok || len(k) != 8 {
		return event.Event{}, queue.ErrDamaged
	}
	if v[0] != recordVersion {
		e := event.Event{Type: kind, Message: id, Consumers: []string{consumer}}
		r := unitReader{b: v[eventHeadSize:]}
		r.event(&e)
		if r.bad || len(r.b) > 0 {
			return event.Event{}, fmt.Errorf("event of %s: %w", id, queue.ErrDamaged)
		}
		return e, nil
	}
	return decodeOld(consumer, kind, id, v[eventHeadSize:])
}

// What a recipient of an event has, beside its path.
const (
	rcptRemote = 1 << iota
	rcptReply
	rcptLast
	rcptFailed // class and types
	rcptExpires
)

// event writes what stands behind the head. Type and message stand there, so that
// an Ack finds what it releases without decoding.
func (w *unitWriter) event(e *event.Event) error {
	w.text(e.Account)
	w.num(millis(e.Time))
	var few []byte
	if e.ReportingMTA != "" || e.Report != nil || e.Failure != nil || e.Change != nil {
		var err error
		few, err = cbor.Marshal(&eventRecord{ReportingMTA: e.ReportingMTA, Report: fromReport(e.Report),
			Failure: fromFailure(e.Failure), Change: fromChange(e.Change)})
		if err != nil {
			return err
		}
	}
	w.octets(few)
	w.num(int64(len(e.Recipients)))
	for i := range e.Recipients {
		w.recipient(&e.Recipients[i])
	}
	return nil
}

func (w *unitWriter) recipient(r *event.Recipient) {
	var has int64
	if r.Remote {
		has |= rcptRemote
	}
	if said(&r.Reply) {
		has |= rcptReply
	}
	if said(&r.Last) {
		has |= rcptLast
	}
	if r.Class != "" || r.BounceType != "" || r.BounceSubType != "" || r.DelayType != "" {
		has |= rcptFailed
	}
	if !r.Expires.IsZero() {
		has |= rcptExpires
	}
	w.num(int64(r.N))
	w.num(has)
	w.text(r.To.String())
	w.text(r.Host)
	w.text(r.Addr)
	w.text(r.TLS)
	w.text(r.Local)
	if has&rcptReply != 0 {
		w.reply(&r.Reply)
	}
	if has&rcptLast != 0 {
		w.reply(&r.Last)
	}
	if has&rcptFailed != 0 {
		w.text(r.Class)
		w.text(r.BounceType)
		w.text(r.BounceSubType)
		w.text(r.DelayType)
	}
	if has&rcptExpires != 0 {
		w.num(millis(r.Expires))
	}
}

// said reports whether there is a reply, whatever its private cause.
func said(r *mail.Reply) bool {
	return r.Code != 0 || !r.Status.IsZero() || r.Text != "" || r.Bare
}

func (w *unitWriter) reply(r *mail.Reply) {
	w.num(int64(r.Code))
	w.num(int64(r.Status.Class))
	w.num(int64(r.Status.Subject))
	w.num(int64(r.Status.Detail))
	w.flag(r.Bare)
	w.text(r.Text)
}

func (r *unitReader) event(e *event.Event) {
	e.Account, e.Time = r.text(), fromMillis(r.num())
	if few := r.octets(); len(few) > 0 {
		var old eventRecord
		if err := decoder.Unmarshal(few, &old); err != nil {
			r.b, r.bad = nil, true
			return
		}
		e.ReportingMTA, e.Report, e.Failure, e.Change = old.ReportingMTA, old.Report.report(), old.Failure.failure(), old.Change.change()
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		e.Recipients = append(e.Recipients, r.recipient())
	}
}

func (r *unitReader) recipient() (rcpt event.Recipient) {
	rcpt.N = int(r.num())
	has := r.num()
	if err := rcpt.To.UnmarshalText(r.octets()); err != nil {
		r.b, r.bad = nil, true
	}
	rcpt.Remote = has&rcptRemote != 0
	rcpt.Host, rcpt.Addr, rcpt.TLS, rcpt.Local = r.text(), r.text(), r.text(), r.text()
	if has&rcptReply != 0 {
		rcpt.Reply = r.reply()
	}
	if has&rcptLast != 0 {
		rcpt.Last = r.reply()
	}
	if has&rcptFailed != 0 {
		rcpt.Class, rcpt.BounceType, rcpt.BounceSubType, rcpt.DelayType = r.text(), r.text(), r.text(), r.text()
	}
	if has&rcptExpires != 0 {
		rcpt.Expires = fromMillis(r.num())
	}
	return rcpt
}

func (r *unitReader) reply() (reply mail.Reply) {
	reply.Code = int(r.num())
	reply.Status = mail.Status{Class: int(r.num()), Subject: int(r.num()), Detail: int(r.num())}
	reply.Bare, reply.Text = r.flag(), r.text()
	return reply
}
