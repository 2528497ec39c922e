package report

import (
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// freeForm reads a failure from text for people, by the table of shapes.
func (in *Incoming) freeForm(top fields, t *tree) bool {
	text, _ := cutOriginal(t.text())
	lower := lowered(text)
	var head strings.Builder
	for i := range top {
		head.WriteString(top[i].name + ": " + strings.ToLower(top[i].value) + "\n")
	}
	if daemon(top) {
		head.WriteString(daemonMark)
	}
	for _, s := range shapes {
		start := 0
		if s.mark != "" {
			start = first(lower, s.mark)
		}
		if start < 0 || s.head != "" && first(head.String(), s.head) < 0 {
			continue
		}
		if s.mark == "" && !failed(in.Subject, lower) {
			continue
		}
		own := addresses(top.get("to"))
		in.Recipients = find(text[start:], s.line, append(own, in.From))
		if failures := addresses(top.get("x-failed-recipients")); len(in.Recipients) == 0 {
			for _, to := range failures[:min(len(failures), maxRecipients)] {
				in.Recipients = append(in.Recipients, returned(to, text[start:], ""))
			}
		}
		if len(in.Recipients) == 0 && s.mark != "" {
			continue
		}
		if hasAny(lower, delays) {
			for i := range in.Recipients {
				in.Recipients[i].Action = Delayed
			}
		}
		return true
	}
	return false
}

// daemon reports whether mail is from a mailer, by the name it gives itself.
func daemon(top fields) bool { return hasAny(strings.ToLower(top.get("from")), daemons) }

// failures are words in the subjects of failures, or in the first lines.
var failures = []string{
	"undeliver", "not deliver", "returned mail", "failure notice", "delivery fail", "delivery status", "mail delivery", "failed", "failure", "returning message",
	"non remis", "unzustellbar", "no se pudo", "não entregue", "mail system error", "could not be", "couldn't be", "bounce", "error sending",
}

func failed(subject, text string) bool {
	return hasAny(strings.ToLower(subject), failures) || hasAny(text[:min(len(text), 500)], failures)
}

// hasAny reports whether text has one of the words in it.
func hasAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// first gives where the first of the alternatives that text has stands in it.
func first(text, alternatives string) int {
	for a := range strings.SplitSeq(alternatives, "|") {
		if i := strings.Index(text, a); i >= 0 {
			return i
		}
	}
	return -1
}

// maxLines bounds the lines of a text that are looked at.
const maxLines = 5000

// find reads the recipients that lines of a form name. What stands between one and
// the next is why; where that says nothing, what stands before it does.
func find(text string, form *regexp.Regexp, own []string) []Returned {
	type block struct {
		to            string
		before, after strings.Builder
	}
	var blocks []*block
	var lead strings.Builder
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		if n++; n > maxLines || len(blocks) > maxRecipients {
			break
		}
		line = line[:min(len(line), 4*maxReply)]
		if m := form.FindStringSubmatchIndex(line); m != nil {
			to := clean(line[m[2]:m[3]])
			switch known := len(blocks) > 0 && strings.EqualFold(blocks[len(blocks)-1].to, to); {
			case known:
			case contains(own, to):
				continue
			default:
				b := &block{to: to}
				b.before.WriteString(lead.String())
				blocks = append(blocks, b)
			}
		}
		if len(blocks) == 0 {
			lead.WriteString(line + "\n")
			continue
		}
		b := blocks[len(blocks)-1]
		if b.after.Len() < 8*maxReply {
			b.after.WriteString(line + "\n")
		}
	}
	var out []Returned
	at := make(map[string]int)
	for _, b := range blocks {
		r := returned(b.to, b.after.String(), b.before.String())
		key := strings.ToLower(b.to)
		i, known := at[key]
		switch {
		case !known:
			at[key] = len(out)
			out = append(out, r)
		case out[i].Reply.Code == 0 && (r.Reply.Code != 0 || out[i].Reply.Text == ""):
			out[i] = r // a list first, and the reasons after it
		}
	}
	return out[:min(len(out), maxRecipients)]
}

func contains(list []string, address string) bool {
	for _, a := range list {
		if strings.EqualFold(a, address) {
			return true
		}
	}
	return false
}

// returned reads what is said of a recipient: the first paragraph after its name
// that has a reply in it, else the nearest before it, else one with words that are
// known, else what there is.
func returned(to, after, before string) Returned {
	r := Returned{To: to, Action: Failed}
	sides := append(strings.Split(after, "\n\n"), backwards(strings.Split(before, "\n\n"))...)
	text, known := "", false
	for _, p := range sides {
		p = strings.TrimSpace(withoutRules(p))
		if rest, found := strings.CutPrefix(strings.TrimLeft(p, "<\""), to); found {
			p = strings.TrimLeft(rest, ">\":; \n\t")
		}
		if p == "" || strings.HasSuffix(p, ":") && !strings.Contains(p, "\n") {
			continue // a heading
		}
		if means := !meaning(p).IsZero(); text == "" || means && !known {
			text, known = p, means
		}
		if coded.MatchString(p) || enhanced.MatchString(p) {
			text = p
			break
		}
	}
	r.Reply = reply(text)
	r.Host = remote(text)
	r.settle()
	return r
}

// withoutRules leaves out the lines that part one section of a text from the next.
func withoutRules(text string) string {
	if !strings.Contains(text, "---") && !strings.Contains(text, "===") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if l := strings.TrimSpace(line); !strings.HasPrefix(l, "---") && !strings.HasPrefix(l, "===") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func backwards(list []string) []string {
	slices.Reverse(list)
	return list
}

// remote finds the name of the host that a reply is said to come from.
func remote(text string) string {
	for _, f := range hosts {
		if m := f.FindStringSubmatch(text); m != nil && len(m[1]) <= mail.MaxDomain {
			return strings.ToLower(strings.Trim(m[1], "."))
		}
	}
	return ""
}

// hosts are the ways in which texts name the host that said it.
var hosts = []*regexp.Regexp{
	said,
	regexp.MustCompile(`(?i)\bhost:? ([a-z0-9_-]+(?:\.[a-z0-9_-]+)+) ?[\[(\n]`),
	regexp.MustCompile(`(?i)while talking to ([a-z0-9._-]+)`),
	regexp.MustCompile(`(?i)recipient domain [^ ]+ by ([a-z0-9._-]+)`),
	regexp.MustCompile(`(?i)(?:smtp )?server <?([a-z0-9._-]+)>?(?:\[[0-9.]+\])? (?:failed|rejected)`),
}

// text gives what people read of a mail: its plain text, else what its HTML says.
func (t *tree) text() string {
	var plain, rich strings.Builder
	for _, l := range t.leaves {
		switch {
		case l.kind == "text/html":
			rich.WriteString(l.text + "\n")
		case l.kind == "text/rfc822-headers", strings.HasPrefix(l.kind, "message/"):
		case strings.HasPrefix(l.kind, "text/"), !strings.Contains(l.kind, "/"):
			plain.WriteString(l.text + "\n")
		}
	}
	text := plain.String()
	if strings.TrimSpace(text) == "" {
		text = rich.String()[:min(rich.Len(), maxText)]
		text = breaks.ReplaceAllString(text, "\n")
		text = html.UnescapeString(tags.ReplaceAllString(text, ""))
	}
	return text[:min(len(text), maxText)]
}

var (
	breaks = regexp.MustCompile(`(?i)<(?:br|/p|/div|/tr|/li|/h[1-6])[^>@]*>`)
	tags   = regexp.MustCompile(`(?s)<style.*?</style>|<!--.*?-->|</?[a-zA-Z][^>]*>`)
)

// lowered gives text with its ASCII letters in lower case, so that what stands where
// in it stands there in the text too.
func lowered(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// cutOriginal parts a text into a report and the message that it returns: behind a
// line that says so, else from a line that begins a header section.
func cutOriginal(text string) (report, original string) {
	for at := 0; at < len(text); {
		next := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line := strings.ToLower(strings.TrimSpace(text[at:next]))
		if strings.HasPrefix(line, "return-path: <") || strings.HasPrefix(line, "received: from ") {
			if text[at] != ' ' {
				return text[:at], text[at:]
			}
		}
		for _, r := range returns {
			if strings.HasPrefix(line, r) {
				return text[:at], text[next:]
			}
		}
		at = next
	}
	return text, ""
}
