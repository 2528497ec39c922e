package bolt

import (
	"fmt"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// eventRecord is an event.Event on disk as it was before mail objects were kept
// once. What few events have still has this form.
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

// decodeOld reads an event of before.
func decodeOld(consumer string, kind event.Type, id mail.ID, v []byte) (event.Event, error) {
	var r eventRecord
	if err := decoder.Unmarshal(v, &r); err != nil {
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
