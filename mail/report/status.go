package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// maxRecipients bounds the recipients that are read of one report.
const maxRecipients = 1000

// bounced reads what a DSN says, in its own part or in a text of another form.
func (in *Incoming) bounced(top fields, t *tree) bool {
	for _, l := range t.leaves {
		switch l.kind {
		case "message/delivery-status", "message/global-delivery-status":
			in.groups(l.text)
		}
	}
	if len(in.Recipients) > 0 {
		in.explain(top, t)
		return true
	}
	named := strings.Contains(strings.ToLower(top.get("content-type")), "delivery-status")
	if !named && auto(top, in.Subject) && !daemon(top) {
		return false // it may quote what a mailer once sent
	}
	// Gateways send the part as text, or as a type that nobody knows.
	for _, l := range t.leaves {
		if strings.Contains(strings.ToLower(l.text), "final-recipient:") {
			in.groups(l.text)
		}
	}
	if len(in.Recipients) > 0 {
		return true
	}
	return in.freeForm(top, t) || named
}

// explain takes from the text for people what a host said, where the recipient's
// fields leave it out.
func (in *Incoming) explain(top fields, t *tree) {
	mute := func(r Returned) bool { return r.Reply.Text == "" && r.Action == Failed }
	if !slices.ContainsFunc(in.Recipients, mute) {
		return
	}
	text := Incoming{Subject: in.Subject, From: in.From}
	text.freeForm(top, t)
	known := make(map[string]*Returned)
	for i := range text.Recipients {
		known[strings.ToLower(text.Recipients[i].To)] = &text.Recipients[i]
	}
	for i := range in.Recipients {
		r := &in.Recipients[i]
		if k := known[strings.ToLower(r.To)]; k != nil && mute(*r) {
			r.Reply = k.Reply
			if r.Host == "" {
				r.Host = k.Host
			}
			r.settle()
		}
	}
}

// groups reads the fields of a delivery-status part: those of the message, then a
// group for each recipient (RFC 3464 section 2.1). Some hosts leave out the empty
// lines, some have more of them.
func (in *Incoming) groups(text string) {
	for text != "" && len(in.Recipients) < maxRecipients {
		var f fields
		f, _, text = cutFields(strings.TrimLeft(text, "\n"))
		if mta := f.get("reporting-mta"); mta != "" && in.ReportingMTA == "" {
			in.ReportingMTA = host(mta)
		}
		start := 0
		for i := range f {
			if i > start && f[i].name == "final-recipient" && f[start:i].has("final-recipient") {
				in.recipient(f[start:i])
				start = i
			}
		}
		in.recipient(f[start:])
	}
}

// recipient reads the fields of one recipient (RFC 3464 section 2.3).
func (in *Incoming) recipient(f fields) {
	r := Returned{To: typed(f.get("final-recipient")), Original: typed(f.get("original-recipient"))}
	if r.To == "" {
		r.To = typed(f.get("x-actual-recipient"))
	}
	if !strings.Contains(r.To, "@") && strings.Contains(r.Original, "@") {
		r.To = r.Original // a file or a program of the host's
	}
	if r.To == "" && !f.has("final-recipient") || len(in.Recipients) >= maxRecipients {
		return
	}
	r.Status = statusIn(f.get("status"))
	r.Host = host(f.get("remote-mta"))
	r.Reply = reply(untyped(f.raw("diagnostic-code")))
	r.settle()
	switch action := strings.ToLower(f.get("action")); {
	case strings.HasPrefix(action, "delay"):
		r.Action = Delayed
	case strings.HasPrefix(action, "deliver"), strings.HasPrefix(action, "relay"), strings.HasPrefix(action, "expand"):
		r.Action = Passed
	case action == "" && r.Status.Class == 2:
		r.Action = Passed
	default:
		r.Action = Failed
	}
	in.Recipients = append(in.Recipients, r)
}

// settle makes status and reply complete each other: many hosts say 5.0.0 in the
// one and what they mean in the other, and some say it in words alone.
func (r *Returned) settle() {
	s := r.Reply.Status
	if s.IsZero() && r.Status.IsZero() && r.Reply.Code == 0 {
		s = meaning(r.Reply.Text)
		r.Reply.Status = s
	}
	if r.Status.IsZero() || !s.IsZero() && r.Status.Subject == 0 && r.Status.Detail == 0 && s.Class == r.Status.Class {
		r.Status = s
	}
	if s.IsZero() {
		r.Reply.Status = r.Status
	}
}

// typed gives the address of a field "type; address".
func typed(value string) string {
	if a := oneAddress.FindString(untyped(value)); a != "" {
		return clean(a)
	}
	return strings.Trim(unbracket(untyped(value)), `"' `)
}

// untyped takes the type off the front of a value (RFC 3464 section 2.1.2).
func untyped(value string) string {
	if kind, rest, found := strings.Cut(value, ";"); found && fieldName(strings.TrimSpace(kind)) {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(value)
}

// host gives the name in a field "type; name", without what stands after it.
func host(value string) string {
	name, _, _ := strings.Cut(untyped(value), " ")
	name, _, _ = strings.Cut(name, "(")
	name = strings.ToLower(strings.Trim(name, ".,;<>"))
	if len(name) > mail.MaxDomain {
		return ""
	}
	return name
}

var (
	enhanced = regexp.MustCompile(`(?:^|[^0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:$|[^0-9.]|\.(?:$|[^0-9]))`)
	coded    = regexp.MustCompile(`(?:^|[^0-9./=-])([45][0-5][0-9])(?:[ -]|$)`)
	tail     = regexp.MustCompile(`(?: \(in reply to [^)]*\)| Giving up on [0-9.]+\.| \[[A-Z_]+\])$`)
	said     = regexp.MustCompile(`(?i)\bhost ([a-z0-9._-]+)[^:]{0,80} (?:said|says|refused[^:]{0,60}):`)
)

// statusIn finds an enhanced status code in text (RFC 3463).
func statusIn(text string) mail.Status {
	m := enhanced.FindStringSubmatch(text)
	if m == nil {
		return mail.Status{}
	}
	s, _ := mail.CutStatus(m[1])
	return s
}

// maxReply bounds what is kept of a reply.
const maxReply = 2000

// reply finds in a diagnosis what the remote host said. Without a reply code the
// whole diagnosis is the text.
func reply(text string) mail.Reply {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 4*maxReply {
		text = text[:4*maxReply]
	}
	r := mail.Reply{Status: statusIn(text), Text: text}
	from := 0
	if i := said.FindStringIndex(text); i != nil {
		from = i[1]
	}
	if m := coded.FindStringSubmatchIndex(text[from:]); m != nil {
		code := text[from+m[2] : from+m[3]]
		r.Code, _ = strconv.Atoi(code)
		r.Text = strings.TrimLeft(text[from+m[3]:], " -")
		if s, rest := mail.CutStatus(strings.TrimPrefix(r.Text, "#")); !s.IsZero() {
			r.Status, r.Text = s, rest
			// The lines of a long reply come on one line.
			r.Text = strings.ReplaceAll(r.Text, " "+code+"-"+s.String()+" ", " ")
			r.Text = strings.ReplaceAll(r.Text, " "+code+" "+s.String()+" ", " ")
		}
		r.Text = tail.ReplaceAllString(strings.ReplaceAll(r.Text, " "+code+"-", " "), "")
	}
	if len(r.Text) > maxReply {
		r.Text = r.Text[:maxReply]
	}
	return r
}
