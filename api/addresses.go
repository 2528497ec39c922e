package api

import (
	"strings"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/compose"
	"github.com/sesame-mta/sesame/mail/message"
)

// boxes is a list of mailboxes: as a header field holds it, and the addresses.
type boxes struct {
	field string
	list  []mail.Address
}

// mailboxes reads addresses with or without names. Names may be any text; they are
// written in encoded words then.
func mailboxes(texts ...string) (*boxes, error) {
	b := &boxes{}
	fields := make([]string, len(texts))
	for i, text := range texts {
		fields[i] = compose.Mailbox(text)
		if strings.ContainsAny(text, "\x00\r\n") {
			return nil, BadParameter(mail.ErrLocalControl.Error())
		}
		list, err := message.Addresses(fields[i])
		if err != nil {
			return nil, BadParameter(err.Error())
		}
		b.list = append(b.list, list...)
	}
	b.field = strings.Join(fields, ", ")
	return b, nil
}

func (b *boxes) paths() []mail.ForwardPath { return paths(b.list) }

func paths(list []mail.Address) []mail.ForwardPath {
	out := make([]mail.ForwardPath, len(list))
	for i, a := range list {
		out[i] = mail.ForwardPath{Address: a}
	}
	return out
}
