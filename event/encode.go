package event

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// Encoder writes events in the form in which SES publishes them (spec sections
// 8.2 to 8.5).
type Encoder struct {
	// Hostname is that of the reporting MTA.
	Hostname string
	// FeedbackID makes the id of a bounce or complaint; the same event always has
	// the same. Nil makes the message's own.
	FeedbackID func(e *Event) string
}

// document is an event in JSON. One of the bodies is set.
type document struct {
	EventType     string         `json:"eventType"`
	Bounce        *bounce        `json:"bounce,omitempty"`
	Complaint     *complaint     `json:"complaint,omitempty"`
	Mail          *Mail          `json:"mail"`
	Delivery      *delivery      `json:"delivery,omitempty"`
	Send          *struct{}      `json:"send,omitempty"`
	Reject        *reject        `json:"reject,omitempty"`
	DeliveryDelay *deliveryDelay `json:"deliveryDelay,omitempty"`
	// Sequence is ours, for destinations that have no better place.
	Sequence uint64 `json:"sequence,omitempty"`
}

type bounce struct {
	Type         string             `json:"bounceType"`
	SubType      string             `json:"bounceSubType"`
	Recipients   []bouncedRecipient `json:"bouncedRecipients"`
	Timestamp    Instant            `json:"timestamp"`
	FeedbackID   string             `json:"feedbackId"`
	RemoteMTAIP  string             `json:"remoteMtaIp,omitempty"`
	ReportingMTA string             `json:"reportingMTA,omitempty"`
}

type bouncedRecipient struct {
	EmailAddress   string `json:"emailAddress"`
	Action         string `json:"action,omitempty"`
	Status         string `json:"status,omitempty"`
	DiagnosticCode string `json:"diagnosticCode,omitempty"`
}

type complaint struct {
	Recipients []emailAddress `json:"complainedRecipients"`
	Timestamp  Instant        `json:"timestamp"`
	FeedbackID string         `json:"feedbackId"`
	SubType    *string        `json:"complaintSubType"`
}

type emailAddress struct {
	EmailAddress string `json:"emailAddress"`
}

type delivery struct {
	Timestamp            Instant  `json:"timestamp"`
	ProcessingTimeMillis int64    `json:"processingTimeMillis"`
	Recipients           []string `json:"recipients"`
	SMTPResponse         string   `json:"smtpResponse"`
	RemoteMTAIP          string   `json:"remoteMtaIp,omitempty"`
	ReportingMTA         string   `json:"reportingMTA"`
}

type reject struct {
	Reason string `json:"reason"`
}

type deliveryDelay struct {
	Timestamp      Instant             `json:"timestamp"`
	DelayType      string              `json:"delayType"`
	ExpirationTime *Instant            `json:"expirationTime,omitempty"`
	ReportingMTA   string              `json:"reportingMTA,omitempty"`
	Recipients     []delayedRecipients `json:"delayedRecipients"`
}

type delayedRecipients struct {
	EmailAddress   string `json:"emailAddress"`
	Status         string `json:"status"`
	DiagnosticCode string `json:"diagnosticCode"`
}

// Encode gives the event as one line of JSON without its end. A sequence of 0 is
// left out.
func (c *Encoder) Encode(e *Event, sequence uint64) ([]byte, error) {
	doc := document{EventType: e.Type.String(), Sequence: sequence, Mail: &Mail{
		// What was accepted before its set had destinations: what is known of it.
		Timestamp: Instant{e.Message.Time()}, SendingAccountID: e.Account, MessageID: e.Message.String(),
		Destination: addresses(e.Recipients), Headers: []Header{}, Tags: map[string][]string{},
	}}
	if len(e.Mail) > 0 {
		doc.Mail = &Mail{}
		if err := json.Unmarshal(e.Mail, doc.Mail); err != nil {
			return nil, fmt.Errorf("mail object of %s: %w", e.Message, err)
		}
	}
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
			ProcessingTimeMillis: max(0, e.Time.Sub(doc.Mail.Timestamp.Time).Milliseconds()),
			SMTPResponse:         first.Reply.String(), RemoteMTAIP: ip(first.Addr)}
		if first.TLS != "" && doc.Mail.Tags != nil {
			doc.Mail.Tags[TagOutgoingTLS] = []string{first.TLS}
		}
	case DeliveryDelay:
		doc.DeliveryDelay = c.delay(e, now, first)
	case Bounce:
		doc.Bounce = c.bounce(e, now, first)
	case Reject:
		doc.Reject = &reject{"Bad content"}
	case Complaint:
		doc.Complaint = &complaint{Timestamp: now, FeedbackID: c.feedbackID(e), Recipients: []emailAddress{}}
		if first.BounceSubType != "" {
			doc.Complaint.SubType = &first.BounceSubType
		}
		for _, r := range e.Recipients {
			doc.Complaint.Recipients = append(doc.Complaint.Recipients, emailAddress{r.To.String()})
		}
	default:
		return nil, fmt.Errorf("event type %d has no published form", e.Type)
	}
	return marshal(&doc)
}

func (c *Encoder) delay(e *Event, now Instant, first Recipient) *deliveryDelay {
	d := &deliveryDelay{Timestamp: now, DelayType: delayType(first), ReportingMTA: "dns; " + c.Hostname, Recipients: []delayedRecipients{}}
	if !first.Expires.IsZero() {
		d.ExpirationTime = &Instant{first.Expires}
	}
	for _, r := range e.Recipients {
		d.Recipients = append(d.Recipients, delayedRecipients{r.To.String(), status(r.Reply), diagnostic(r.Reply)})
	}
	return d
}

func (c *Encoder) bounce(e *Event, now Instant, first Recipient) *bounce {
	b := &bounce{Timestamp: now, FeedbackID: c.feedbackID(e), ReportingMTA: "dns; " + c.Hostname,
		RemoteMTAIP: ip(first.Addr), Recipients: []bouncedRecipient{}}
	b.Type, b.SubType = bounceType(first)
	for _, r := range e.Recipients {
		b.Recipients = append(b.Recipients, bouncedRecipient{r.To.String(), "failed", status(r.Reply), diagnosis(r)})
	}
	return b
}

func (c *Encoder) feedbackID(e *Event) string {
	if c.FeedbackID == nil {
		return e.Message.String()
	}
	return c.FeedbackID(e)
}

// bounceType is what was said where the outcome was settled. Else it is permanent
// for a permanent reply, and that time ran out is transient (spec section 6.3).
func bounceType(r Recipient) (kind, sub string) {
	if r.BounceType != "" {
		return r.BounceType, r.BounceSubType
	}
	if r.Reply.Status.Class == 4 || r.Reply.Temporary() {
		return "Transient", "General"
	}
	return "Permanent", "General"
}

// delayType is what was said where the outcome was settled, else what can be said
// without knowing the host: whether it spoke, and the full mailbox that its status
// tells of (RFC 3463 section 3.3).
func delayType(r Recipient) string {
	switch {
	case r.DelayType != "":
		return r.DelayType
	case r.Reply.Status.Subject == 2 && r.Reply.Status.Detail == 2:
		return "MailboxFull"
	case !r.Remote:
		return "TransientCommunicationFailure"
	}
	return "General"
}

// status gives the enhanced status code; of a reply without one the class and
// nothing else is known (RFC 3463 section 2).
func status(r mail.Reply) string {
	if !r.Status.IsZero() {
		return r.Status.String()
	}
	return fmt.Sprintf("%d.0.0", r.Code/100)
}

func diagnostic(r mail.Reply) string { return "smtp; " + r.String() }

// diagnosis gives the text alone where no host was asked because of the account's
// suppression list, as SES does (spec section 7.2).
func diagnosis(r Recipient) string {
	if r.BounceSubType == "OnAccountSuppressionList" {
		return r.Reply.Text
	}
	return diagnostic(r.Reply)
}

func addresses(rs []Recipient) []string {
	list := make([]string, len(rs))
	for i, r := range rs {
		list[i] = r.To.String()
	}
	return list
}

// ip gives an address without its port.
func ip(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return strings.Trim(addr, "[]")
}

// Split parts recipients into those of whom one published event can tell: it has
// one reply of one host for all that were delivered, one type for all that bounced
// or wait.
func Split(t Type, rs []Recipient) [][]Recipient {
	type key struct{ a, b, c string }
	var parts [][]Recipient
	at := make(map[key]int)
	for _, r := range rs {
		var k key
		switch t {
		case Delivery:
			k = key{r.Reply.String(), r.Addr, r.TLS}
		case Bounce:
			k.a, k.b = bounceType(r)
			k.c = r.Addr
		case DeliveryDelay:
			k.a = delayType(r)
			k.b = r.Expires.String()
		case Send, Reject, Complaint:
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
