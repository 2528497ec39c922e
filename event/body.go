package event

import (
	"cmp"
	"fmt"
	"net"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

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

	UserAgent    string   `json:"userAgent,omitempty"`
	FeedbackType string   `json:"complaintFeedbackType,omitempty"`
	Arrival      *Instant `json:"arrivalDate,omitempty"`
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

type failure struct {
	TemplateName string `json:"templateName"`
	ErrorMessage string `json:"errorMessage"`
}

type subscription struct {
	ContactList string      `json:"contactList"`
	Timestamp   Instant     `json:"timestamp"`
	Source      string      `json:"source"`
	New         preferences `json:"newTopicPreferences"`
	Old         preferences `json:"oldTopicPreferences"`
}

type preferences struct {
	UnsubscribeAll bool         `json:"unsubscribeAll"`
	Topics         []topicState `json:"topicSubscriptionStatus"`
}

type topicState struct {
	Name   string `json:"topicName"`
	Status string `json:"subscriptionStatus"` // "OptIn" or "OptOut"
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
	b := &bounce{Timestamp: now, FeedbackID: c.feedbackID(e), ReportingMTA: "dns; " + cmp.Or(e.ReportingMTA, c.Hostname),
		RemoteMTAIP: ip(first.Addr), Recipients: []bouncedRecipient{}}
	b.Type, b.SubType = bounceType(first)
	for _, r := range e.Recipients {
		b.Recipients = append(b.Recipients, bouncedRecipient{r.To.String(), "failed", status(r.Reply), diagnosis(r)})
	}
	return b
}

func (c *Encoder) complaint(e *Event, now Instant, first Recipient) *complaint {
	out := &complaint{Timestamp: now, FeedbackID: c.feedbackID(e), Recipients: []emailAddress{}}
	if first.BounceSubType != "" {
		out.SubType = &first.BounceSubType
	}
	for _, r := range e.Recipients {
		out.Recipients = append(out.Recipients, emailAddress{r.To.String()})
	}
	if r := e.Report; r != nil {
		out.UserAgent, out.FeedbackType = r.UserAgent, r.FeedbackType
		if !r.Arrival.IsZero() {
			out.Arrival = &Instant{r.Arrival}
		}
	}
	return out
}

func renderingFailure(e *Event) *failure {
	if e.Failure == nil {
		return &failure{}
	}
	return &failure{e.Failure.Template, e.Failure.Text}
}

func change(e *Event, now Instant) *subscription {
	s := &subscription{Timestamp: now, New: wishes(Preferences{}), Old: wishes(Preferences{})}
	if c := e.Change; c != nil {
		s.ContactList, s.Source, s.New, s.Old = c.List, c.Source, wishes(c.New), wishes(c.Old)
	}
	return s
}

func wishes(p Preferences) preferences {
	out := preferences{UnsubscribeAll: p.UnsubscribeAll, Topics: []topicState{}}
	for _, t := range p.Topics {
		s := topicState{t.Name, "OptOut"}
		if t.In {
			s.Status = "OptIn"
		}
		out.Topics = append(out.Topics, s)
	}
	return out
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
