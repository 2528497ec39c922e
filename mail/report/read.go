package report

import (
	"errors"
	"mime"
	netmail "net/mail"
	"regexp"
	"strings"
)

// ErrNotMail says that there is no header field in what should be mail.
var ErrNotMail = errors.New("report: no header field")

// Read reads mail that came back: a DSN (RFC 3464) or what some hosts send in its
// place, a feedback report (RFC 5965) or what some providers send in its place, an
// automatic answer (RFC 3834). It reads at most MaxContent octets, takes time that
// grows linearly with them, and reads what is broken as far as it can be read.
func Read(content []byte) (*Incoming, error) {
	top, _, body := cutFields(lines(content[:min(len(content), MaxContent)]))
	if len(top) == 0 {
		return nil, ErrNotMail
	}
	in := &Incoming{Kind: Other, Subject: words(top.get("subject"))}
	if from := addresses(top.get("from")); len(from) > 0 {
		in.From = strings.ToLower(from[0])
	}
	var t tree
	t.add(top, body, 0)
	in.Original = t.original()
	switch {
	case in.complaint(top, &t):
		in.Kind = Complaint
	case in.bounced(top, &t):
		in.Kind = Bounced
	case auto(top, in.Subject):
		in.Kind = AutoReply
	}
	return in, nil
}

// words decodes encoded words (RFC 2047) as far as their character set is known.
func words(value string) string {
	var d mime.WordDecoder
	if text, err := d.DecodeHeader(value); err == nil {
		return text
	}
	return value
}

// addressForm is an address that stands in text. It is looser than the grammar,
// but for what ends it.
const addressForm = `(?:"[^"\n]+"|[^\s<>()\[\]",;:|@]+)@[^\s<>()\[\]",;:|@'*]+`

var oneAddress = regexp.MustCompile(addressForm)

// maxAddresses bounds the addresses that are read of one field.
const maxAddresses = 1000

// addresses gives the addresses in the value of a field.
func addresses(value string) []string {
	var out []string
	if list, err := netmail.ParseAddressList(value); err == nil && len(list) <= maxAddresses {
		for _, a := range list {
			out = append(out, a.Address)
		}
		return out
	}
	if i := strings.IndexByte(value, '<'); i >= 0 && !strings.Contains(value, ",") {
		value = value[i:] // the display name may hold an address too
	}
	for _, a := range oneAddress.FindAllString(value, maxAddresses) {
		out = append(out, clean(a))
	}
	return out
}

// clean takes off what text puts around an address.
func clean(address string) string {
	return strings.TrimRight(strings.TrimPrefix(address, "mailto:"), ".!?`")
}

// unbracket takes the angle brackets off a path, and gives nothing for a null one.
func unbracket(path string) string {
	path = strings.TrimSpace(path)
	if i := strings.IndexByte(path, '<'); i >= 0 {
		path, _, _ = strings.Cut(path[i+1:], ">")
	}
	return strings.TrimSpace(path)
}
