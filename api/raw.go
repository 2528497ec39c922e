package api

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// Raw is a message that its sender has composed. With recipients those are the
// envelope, without it is To, Cc and Bcc of the message.
type Raw struct {
	Sending
	Data Blob
}

// SendRaw submits a message as it is, but for its line ends.
func (r *Rooms) SendRaw(ctx context.Context, c *Call, m *Raw) (mail.ID, error) {
	req, err := r.request(c, &m.Sending)
	if err != nil {
		return mail.ID{}, err
	}
	given := append(append(append([]string(nil), m.To...), m.Cc...), m.Bcc...)
	if len(given) > 0 {
		list, err := mailboxes(given...)
		if err != nil {
			return mail.ID{}, err
		}
		req.To = list.paths()
	}
	if m.From != "" && req.From.Null() {
		from, err := mailboxes(m.From)
		if err != nil {
			return mail.ID{}, err
		}
		req.From = mail.ReversePath{Address: from.list[0]}
	}
	if len(req.To) == 0 || req.From.Null() {
		if err := r.fromHeader(c, m, req); err != nil {
			return mail.ID{}, err
		}
	}
	if err := r.recipients(req); err != nil {
		return mail.ID{}, err
	}
	return r.submit(ctx, c, &m.Sending, req, m.Data.Open(), m.Data.Encoded())
}

// fromHeader fills the envelope from the header section (spec section 10.2): the
// sender is Return-Path, else From.
func (r *Rooms) fromHeader(c *Call, m *Raw, req *submission.Request) error {
	section, err := r.header(c, m.Data)
	if err != nil {
		return err
	}
	if req.From.Null() {
		if req.From, err = sender(section); err != nil {
			return err
		}
	}
	if len(req.To) > 0 {
		return nil
	}
	for _, name := range []string{"To", "Cc", "Bcc"} {
		for _, f := range section.All(name) {
			if strings.TrimSpace(f.Value()) == "" {
				continue
			}
			list, err := message.Addresses(f.Value())
			if err != nil {
				return BadParameter(err.Error())
			}
			req.To = append(req.To, paths(list)...)
		}
	}
	return nil
}

func sender(section *message.Section) (mail.ReversePath, error) {
	for _, name := range []string{"Return-Path", "From"} {
		f, ok := section.Get(name)
		if !ok || name == "Return-Path" && f.Value() == "<>" {
			continue
		}
		list, err := message.Addresses(f.Value())
		if err != nil {
			return mail.ReversePath{}, BadParameter(err.Error())
		}
		return mail.ReversePath{Address: list[0]}, nil
	}
	return mail.ReversePath{}, BadParameter("Missing required header 'From'.")
}

// maxSection bounds a header section in octets, as the desk does.
const maxSection = 256 << 10

// header reads the header section of a message.
func (r *Rooms) header(c *Call, data Blob) (*message.Section, error) {
	text := newContent(data.Open(), c, data.Encoded(), r.LineOctets, r.MessageBytes, func(n int64) error { return tooLong(r.MessageBytes, n) })
	splitter := message.Splitter{Max: maxSection}
	var header []byte
	var buf [4 << 10]byte
	for !splitter.Ended() {
		n, err := text.Read(buf[:])
		k, bad := splitter.Feed(buf[:n])
		if bad != nil {
			return nil, BadParameter(bad.Error())
		}
		header = append(header, buf[:k]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	section, err := admission.HeaderLimits().Scan(header)
	if err != nil {
		return nil, BadParameter(err.Error())
	}
	return section, nil
}
