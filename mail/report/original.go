package report

import (
	"iter"
	"strings"
)

// original finds what was returned of the message: as a part of its own (RFC 6522
// section 3, RFC 6533 section 5), or in the text behind a line that says so.
func (t *tree) original() Original {
	for _, l := range t.leaves {
		switch l.kind {
		case "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers", "text/rfc822", "message/partial":
			if o := readOriginal(l.text); o.Header != nil {
				return o
			}
		}
	}
	for _, l := range t.leaves {
		if _, text := cutOriginal(l.text); text != "" {
			if o := readOriginal(text); o.Header != nil {
				return o
			}
		}
	}
	return Original{}
}

// readOriginal reads the header section of a returned message.
func readOriginal(text string) Original {
	f, section, _ := cutFields(strings.TrimLeft(text, "\n"))
	if !f.has("from") && !f.has("to") && !f.has("subject") && !f.has("message-id") && !f.has("received") {
		return Original{}
	}
	o := Original{
		Header:     []byte(strings.ReplaceAll(section, "\n", "\r\n")),
		MessageID:  f.get("message-id"),
		FeedbackID: f.get("feedback-id"),
		Outgoing:   f.get("x-ses-outgoing"),
		ReturnPath: unbracket(f.get("return-path")),
		Subject:    words(f.get("subject")),
	}
	if len(o.Header) > maxSection {
		o.Header = o.Header[:maxSection]
	}
	if from := addresses(f.get("from")); len(from) > 0 {
		o.From = from[0]
	}
	for _, name := range []string{"to", "cc"} {
		for _, value := range f.all(name) {
			if len(o.To) < maxAddresses {
				o.To = append(o.To, addresses(value)...)
			}
		}
	}
	return o
}

// returned gives the header sections of all messages that were returned whole.
func (t *tree) returned() iter.Seq[fields] {
	return func(yield func(fields) bool) {
		for _, l := range t.leaves {
			if l.kind == "message/rfc822" {
				if f, _, _ := cutFields(strings.TrimLeft(l.text, "\n")); !yield(f) {
					return
				}
			}
		}
	}
}
