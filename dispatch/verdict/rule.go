package verdict

import (
	"strconv"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// row is a rule as it is written down. An empty column fits everything.
type row struct {
	// who is known to say it, for the reader.
	who string
	// host is the end of the MX host's name; alternatives are parted by "|".
	host string
	// code is a reply code, or the first digit of one.
	code int
	// status is subject and detail of the enhanced status code, or the subject
	// with its dot; alternatives are parted by "|".
	status string
	// text is what the text has in it, in lower case: alternatives are parted by
	// "|", and "*" stands for anything.
	text string
	// class is what the reply then is about.
	class Class
}

// rule is a row made ready. Its texts are plain strings, looked for one after the
// other, so that the time is linear in the length of the text.
type rule struct {
	code     int
	hosts    []string
	statuses []string
	texts    [][]string
	class    Class
}

func compile(rows []row) []rule {
	out := make([]rule, len(rows))
	for i, w := range rows {
		r := rule{code: w.code, hosts: split(w.host, "|"), statuses: split(w.status, "|"), class: w.class}
		for _, t := range split(w.text, "|") {
			r.texts = append(r.texts, strings.Split(t, "*"))
		}
		out[i] = r
	}
	return out
}

func split(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

// maxText is how much of a text is read. What matters stands at the beginning.
const maxText = 2048

// question is a reply made ready to be asked.
type question struct {
	code   int
	host   string
	status mail.Status
	detail string // "1.1"
	text   string
}

func ask(r *mail.Reply, host string) *question {
	q := &question{code: r.Code, host: "." + strings.ToLower(strings.TrimSuffix(host, ".")), status: r.Status}
	text := r.Text[:min(len(r.Text), maxText)]
	if q.status.IsZero() {
		q.status = statusIn(text)
	}
	if !q.status.IsZero() {
		q.detail = strconv.Itoa(q.status.Subject) + "." + strconv.Itoa(q.status.Detail)
	}
	q.text = normal(text)
	return q
}

// normal gives a text in lower case and on one line, without the words that have
// an at sign: addresses are chosen by strangers, and one may read mailbox-full@.
func normal(text string) string {
	words := strings.Fields(strings.ToLower(text))
	kept := words[:0]
	for _, w := range words {
		if !strings.Contains(w, "@") {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// statusIn finds a status that is not where RFC 2034 puts it: in front although its
// class is not the code's, or after a "#", as qmail has it.
func statusIn(text string) mail.Status {
	if s, _ := mail.CutStatus(text); !s.IsZero() {
		return s
	}
	_, after, found := strings.Cut(text, "#")
	if !found {
		return mail.Status{}
	}
	if i := strings.IndexFunc(after, func(c rune) bool { return (c < '0' || c > '9') && c != '.' }); i >= 0 {
		after = after[:i]
	}
	s, _ := mail.CutStatus(strings.TrimSuffix(after, "."))
	return s
}

// first gives the class of the first rule that fits, or zero.
func (q *question) first(rules []rule) Class {
	for i := range rules {
		if q.fits(&rules[i]) {
			return rules[i].class
		}
	}
	return 0
}

func (q *question) fits(r *rule) bool {
	if r.code != 0 && r.code != q.code && r.code != q.code/100 {
		return false
	}
	return fit(r.hosts, q.under) && fit(r.statuses, q.isStatus) && fit(r.texts, q.has)
}

// fit reports whether one of the alternatives fits; none at all fits everything.
func fit[T interface{ ~string | ~[]string }](alternatives []T, fits func(T) bool) bool {
	for _, a := range alternatives {
		if fits(a) {
			return true
		}
	}
	return len(alternatives) == 0
}

func (q *question) under(domain string) bool { return strings.HasSuffix(q.host, "."+domain) }

func (q *question) isStatus(s string) bool {
	return q.detail == s || s[len(s)-1] == '.' && strings.HasPrefix(q.detail, s)
}

func (q *question) has(parts []string) bool {
	rest := q.text
	for _, p := range parts {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return true
}
