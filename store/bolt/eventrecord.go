package bolt

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// eventRecord is an event.Event on disk. Type and message stand before it, so
// that an Ack finds what it releases without decoding.
type eventRecord struct {
	Account    string            `cbor:"1,keyasint"`
	Time       int64             `cbor:"2,keyasint"`
	Recipients []recipientRecord `cbor:"3,keyasint,omitempty"`
	Mail       []byte            `cbor:"4,keyasint,omitempty"`

	ReportingMTA string         `cbor:"5,keyasint,omitempty"`
	Report       *reportRecord  `cbor:"6,keyasint,omitempty"`
	Failure      *failureRecord `cbor:"7,keyasint,omitempty"`
	Change       *changeRecord  `cbor:"8,keyasint,omitempty"`
}

type recipientRecord struct {
	N      int         `cbor:"1,keyasint,omitempty"`
	To     string      `cbor:"2,keyasint"`
	Reply  replyRecord `cbor:"3,keyasint,omitzero"`
	Remote bool        `cbor:"4,keyasint,omitempty"`
	Host   string      `cbor:"5,keyasint,omitempty"`
	Addr   string      `cbor:"6,keyasint,omitempty"`
	Last   replyRecord `cbor:"7,keyasint,omitzero"`

	Class         string `cbor:"8,keyasint,omitempty"`
	BounceType    string `cbor:"9,keyasint,omitempty"`
	BounceSubType string `cbor:"10,keyasint,omitempty"`
	DelayType     string `cbor:"11,keyasint,omitempty"`
	TLS           string `cbor:"12,keyasint,omitempty"`
	Expires       int64  `cbor:"13,keyasint,omitempty"`
	Local         string `cbor:"14,keyasint,omitempty"`
}

const eventHeadSize = 2 + mail.IDSize

// eventRefers is the first octet of an event whose mail object is kept once for
// its message, for those of its consumers that are destinations. It is
// recordVersion for others and in records of before, which have it inside.
const eventRefers = 2

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
		r := eventRecord{Account: e.Account, Time: millis(e.Time),
			ReportingMTA: e.ReportingMTA, Report: fromReport(e.Report), Failure: fromFailure(e.Failure), Change: fromChange(e.Change)}
		for _, rcpt := range e.Recipients {
			r.Recipients = append(r.Recipients, recipientRecord{
				N: rcpt.N, To: rcpt.To.String(), Reply: fromReply(rcpt.Reply), Remote: rcpt.Remote,
				Host: rcpt.Host, Addr: rcpt.Addr, Last: fromReply(rcpt.Last),
				Class: rcpt.Class, BounceType: rcpt.BounceType, BounceSubType: rcpt.BounceSubType, DelayType: rcpt.DelayType,
				TLS: rcpt.TLS, Local: rcpt.Local,
			})
			if !rcpt.Expires.IsZero() {
				r.Recipients[len(r.Recipients)-1].Expires = millis(rcpt.Expires)
			}
		}
		body, err := cbor.Marshal(&r)
		if err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		v := make([]byte, 0, eventHeadSize+len(body))
		v = append(v, eventRefers, byte(e.Type))
		v = append(v, e.Message[:]...)
		out = append(out, encodedEvent{e.Type, e.Message, e.Consumers, append(v, body...)})
	}
	return out, nil
}

// eventHead reads what stands before the CBOR.
func eventHead(v []byte) (kind event.Type, id mail.ID, ok bool) {
	if len(v) < eventHeadSize || v[0] != recordVersion && v[0] != eventRefers {
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
	var r eventRecord
	if err := decoder.Unmarshal(v[eventHeadSize:], &r); err != nil {
		return event.Event{}, fmt.Errorf("event of %s: %w: %w", id, queue.ErrDamaged, err)
	}
	e := event.Event{
		Type: kind, Message: id, Account: r.Account, Time: fromMillis(r.Time),
		Mail: r.Mail, Consumers: []string{consumer},
		ReportingMTA: r.ReportingMTA, Report: r.Report.report(), Failure: r.Failure.failure(), Change: r.Change.change(),
	}
	for _, rr := range r.Recipients {
		rcpt := event.Recipient{
			N: rr.N, Reply: rr.Reply.reply(), Remote: rr.Remote, Host: rr.Host, Addr: rr.Addr,
			Last:  rr.Last.reply(),
			Class: rr.Class, BounceType: rr.BounceType, BounceSubType: rr.BounceSubType, DelayType: rr.DelayType,
			TLS: rr.TLS, Local: rr.Local,
		}
		if rr.Expires != 0 {
			rcpt.Expires = fromMillis(rr.Expires)
		}
		if err := rcpt.To.UnmarshalText([]byte(rr.To)); err != nil {
			return event.Event{}, fmt.Errorf("event of %s: %w", id, queue.ErrDamaged)
		}
		e.Recipients = append(e.Recipients, rcpt)
	}
	return e, nil
}
