package event

import "fmt"

// Encoder writes events in the forms of SES (spec sections 8.1 to 8.5).
type Encoder struct {
	// Hostname is that of the reporting MTA.
	Hostname string
	// FeedbackID makes the id of a bounce or complaint; the same event always has
	// the same. Nil makes the message's own.
	FeedbackID func(e *Event) string
	// Notification: the form of what an identity is told, else that of what is
	// published under a configuration set.
	Notification bool
	// Headers reports whether a notification shows the header of its message; nil
	// is never.
	Headers func(t Type) bool
	// Unreadable is told of each record that Line cannot write, with the cause; nil
	// tells nobody.
	Unreadable func(r Record, err error)
}

// document is an event in JSON. One of the types and one of the bodies is set.
type document struct {
	NotificationType string         `json:"notificationType,omitempty"`
	EventType        string         `json:"eventType,omitempty"`
	Bounce           *bounce        `json:"bounce,omitempty"`
	Complaint        *complaint     `json:"complaint,omitempty"`
	Mail             any            `json:"mail"`
	Delivery         *delivery      `json:"delivery,omitempty"`
	Send             *struct{}      `json:"send,omitempty"`
	Reject           *reject        `json:"reject,omitempty"`
	Failure          *failure       `json:"failure,omitempty"`
	DeliveryDelay    *deliveryDelay `json:"deliveryDelay,omitempty"`
	Subscription     *subscription  `json:"subscription,omitempty"`
	Unreadable       *unreadable    `json:"unreadable,omitempty"`
	// Sequence is ours, for destinations that have no better place.
	Sequence uint64 `json:"sequence,omitempty"`
}

// Notified reports whether an identity can be told of events of a type (spec
// section 8.1).
func Notified(t Type) bool { return t == Bounce || t == Complaint || t == Delivery }

// Encode gives the event as one line of JSON without its end. A sequence of 0 is
// left out.
func (c *Encoder) Encode(e *Event, sequence uint64) ([]byte, error) {
	if c.Notification && !Notified(e.Type) {
		return nil, fmt.Errorf("event type %d is nothing that an identity is told", e.Type)
	}
	m, err := mailOf(e)
	if err != nil {
		return nil, err
	}
	doc := document{Sequence: sequence}
	if err := c.body(&doc, e, m); err != nil {
		return nil, err
	}
	if c.Notification {
		doc.NotificationType, doc.Mail = e.Type.String(), m.notified(c.Headers != nil && c.Headers(e.Type))
	} else {
		m.ClientMessageID = ""
		doc.EventType, doc.Mail = e.Type.String(), m
	}
	return marshal(&doc)
}

// typeUnreadable stands in the place of a type that a line cannot tell in its form.
const typeUnreadable = "Unreadable"

// unreadable is what is known of an event that has no form.
type unreadable struct {
	EventType string  `json:"eventType"`
	Timestamp Instant `json:"timestamp"`
}

// Line gives the event of a record as Encode does; with numbered it holds the
// record's number. One that cannot be written would stand in the way of all that
// come after it, so its line says that there was one, with its number, message and
// recipients, under a type that programs know nothing of.
func (c *Encoder) Line(r Record, numbered bool) []byte {
	var seq uint64
	if numbered {
		seq = r.Seq
	}
	line, err := c.Encode(&r.Event, seq)
	if err == nil {
		return line
	}
	if c.Unreadable != nil {
		c.Unreadable(r, err)
	}
	doc := document{Sequence: seq, Unreadable: &unreadable{r.Event.Type.String(), Instant{r.Event.Time}}}
	m := known(&r.Event)
	if c.Notification {
		doc.NotificationType, doc.Mail = typeUnreadable, m.notified(false)
	} else {
		doc.EventType, doc.Mail = typeUnreadable, m
	}
	line, _ = marshal(&doc) // of strings and times alone, which always can be written
	return line
}

// known is the mail object of an event that has none: what it says itself.
func known(e *Event) *Mail {
	return &Mail{Timestamp: Instant{e.Message.Time()}, SendingAccountID: e.Account, MessageID: e.Message.String(),
		Destination: addresses(e.Recipients), Headers: []Header{}, Tags: map[string][]string{}}
}

// mailOf gives the mail object of an event.
func mailOf(e *Event) (*Mail, error) {
	if len(e.Mail) == 0 {
		return known(e), nil // it was accepted before anybody was to be told
	}
	return ReadMail(e.Message, e.Account, e.Mail)
}

// body puts what happened into a document, and what is known of a delivery into
// the tags.
func (c *Encoder) body(doc *document, e *Event, m *Mail) error {
	now := Instant{e.Time}
	var first Recipient
	if len(e.Recipients) > 0 {
		first = e.Recipients[0]
	}
	switch e.Type {
	case Send:
		doc.Send = &struct{}{}
	case Delivery:
		doc.Delivery = &delivery{Timestamp: now, Recipients: addresses(e.Recipients), ReportingMTA: c.Hostname,
			ProcessingTimeMillis: max(0, e.Time.Sub(m.Timestamp.Time).Milliseconds()),
			SMTPResponse:         first.Reply.String(), RemoteMTAIP: ip(first.Addr)}
		for tag, value := range map[string]string{TagOutgoingTLS: first.TLS, TagOutgoingIP: first.Local} {
			if value != "" {
				m.Tags[tag] = []string{value}
			}
		}
	case DeliveryDelay:
		doc.DeliveryDelay = c.delay(e, now, first)
	case Bounce:
		doc.Bounce = c.bounce(e, now, first)
	case Reject:
		doc.Reject = &reject{"Bad content"}
	case Complaint:
		doc.Complaint = c.complaint(e, now, first)
	case RenderingFailure:
		doc.Failure = renderingFailure(e)
	case Subscription:
		doc.Subscription = change(e, now)
	default:
		return fmt.Errorf("event type %d has no published form", e.Type)
	}
	return nil
}

// Split parts recipients into those of whom one published event can tell: it has
// one reply of one host for all that were delivered, one type for all that bounced
// or wait.
func Split(t Type, rs []Recipient) [][]Recipient {
	if len(rs) == 1 {
		return [][]Recipient{rs}
	}
	type key struct{ a, b, c string }
	var parts [][]Recipient
	at := make(map[key]int)
	for _, r := range rs {
		var k key
		switch t {
		case Delivery:
			k = key{r.Reply.String(), r.Addr, r.TLS + " " + r.Local}
		case Bounce:
			k.a, k.b = bounceType(r)
			k.c = r.Addr
		case DeliveryDelay:
			k.a = delayType(r)
			k.b = r.Expires.String()
		case Send, Reject, Complaint, RenderingFailure, Subscription:
		}
		i, ok := at[k]
		if !ok {
			i = len(parts)
			at[k] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], r)
	}
	return parts
}
