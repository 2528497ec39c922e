package report

import (
	netmail "net/mail"
	"net/netip"
	"strings"
)

// maxReported bounds the values that are read of a field that may come again.
const maxReported = 100

// complaint reads a feedback report (RFC 5965), or what providers send that are
// older than it.
func (in *Incoming) complaint(top fields, t *tree) bool {
	for _, l := range t.leaves {
		if l.kind == "message/feedback-report" {
			f, _, _ := cutFields(strings.TrimLeft(l.text, "\n"))
			in.Feedback = readFeedback(f)
			in.completeFeedback()
			return true
		}
	}
	if strings.Contains(strings.ToLower(top.get("content-type")), "feedback-report") {
		// The part has another type, or its fields stand in the text.
		for _, l := range t.leaves {
			if i := strings.Index(strings.ToLower(l.text), "feedback-type:"); i >= 0 {
				f, _, _ := cutFields(l.text[i:])
				in.Feedback = readFeedback(f)
				in.completeFeedback()
				return true
			}
		}
		in.Feedback.Type = "other"
		in.completeFeedback()
		return true
	}
	// The junk mail reporting of Microsoft returns the original, with the recipient in
	// a field of its own or without, and says no more.
	reported := strings.HasPrefix(in.Subject, "complaint about message from ")
	for f := range t.returned() {
		to := unbracket(f.get("x-hmxmroriginalrecipient"))
		if to == "" && !reported {
			continue
		}
		in.Feedback = Feedback{Type: "abuse", SourceIP: netAddress(in.Subject)}
		if to != "" {
			in.Feedback.To = []string{to}
		}
		in.completeFeedback()
		return true
	}
	return false
}

// readFeedback reads the fields of a report (RFC 5965 sections 3.1 to 3.3).
func readFeedback(f fields) Feedback {
	b := Feedback{
		Type:      strings.ToLower(f.get("feedback-type")),
		UserAgent: f.get("user-agent"),
		MailFrom:  unbracket(f.get("original-mail-from")),
		SourceIP:  f.get("source-ip"),
	}
	for _, name := range []string{"arrival-date", "received-date"} {
		if at, err := netmail.ParseDate(f.get(name)); err == nil && b.Arrival.IsZero() {
			b.Arrival = at.UTC()
		}
	}
	for _, name := range []string{"original-rcpt-to", "removal-recipient"} {
		for _, value := range f.all(name) {
			if to := unbracket(value); to != "" && len(b.To) < maxReported {
				b.To = append(b.To, to)
			}
		}
	}
	for _, value := range f.all("reported-domain") {
		if len(b.Domains) < maxReported {
			b.Domains = append(b.Domains, strings.ToLower(value))
		}
	}
	return b
}

// completeFeedback takes from the original what the report leaves out.
func (in *Incoming) completeFeedback() {
	b := &in.Feedback
	if b.Type == "" {
		b.Type = "other"
	}
	if b.MailFrom == "" {
		b.MailFrom = in.Original.ReturnPath
	}
}

// netAddress finds an IP address among the words of a text.
func netAddress(text string) string {
	for w := range strings.FieldsSeq(text) {
		if ip, err := netip.ParseAddr(strings.Trim(w, ".,;[]()")); err == nil {
			return ip.String()
		}
	}
	return ""
}
