package simulator

import (
	"strings"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// reply makes the automatic answer of a mailbox (RFC 3834). It comes from the same
// mailbox at our own domain: no name of others leaves the house.
func (a *Answers) reply(e *event.Event, orig *forward.Original, from mail.ForwardPath) event.Notice {
	n := event.Notice{
		ID:    a.o.Minter.Derive(e.Message, e.Time, "auto-reply "+from.String()),
		About: e.Message, Account: e.Account, To: mail.ForwardPath{Address: orig.From.Address}, Keys: a.keys(),
	}
	add := func(name, value string) { n.Header = append(n.Header, message.Field(name, value)...) }
	add("Date", message.Date(e.Time))
	add("From", strings.TrimSuffix(from.String(), from.Domain())+a.o.Own)
	add("To", n.To.String())
	add("Subject", "Auto: "+field(orig.Header, "Subject")) // RFC 3834 section 3.1.5
	add("Message-ID", message.NewMessageID(n.ID, a.o.Domain))
	if id := orig.MessageID; id != "" && len(id) < 250 {
		add("In-Reply-To", id)
		add("References", id)
	}
	add("Auto-Submitted", "auto-replied")
	add("MIME-Version", "1.0")
	add("Content-Type", "text/plain; charset=us-ascii")
	n.Header = append(n.Header, "\r\n"...)
	n.Body = []byte("This mailbox of the simulator is out of the office, and answers every message so.\r\n")
	return n
}

// field gives the value of a header field; nothing when there is none.
func field(header []byte, name string) string {
	section, err := message.Limits{EightBit: func(string) bool { return true }}.Scan(header)
	if err != nil {
		return ""
	}
	f, _ := section.Get(name)
	return f.Value()
}

// submitted reports whether a message says that no person sent it (RFC 3834
// section 5).
func submitted(header []byte) bool {
	value, _, _ := strings.Cut(field(header, "Auto-Submitted"), ";")
	value = strings.TrimSpace(value)
	return value != "" && !strings.EqualFold(value, "no")
}
