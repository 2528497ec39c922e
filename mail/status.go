package mail

import (
	"strconv"
	"strings"
)

// Status is an enhanced status code (RFC 3463). The zero value means that none
// was given.
type Status struct {
	Class   int // 2 success, 4 transient, 5 permanent
	Subject int // 0 to 999
	Detail  int // 0 to 999
}

// IsZero reports whether no status was given.
func (s Status) IsZero() bool { return s == Status{} }

// String gives class.subject.detail, or nothing for the zero value.
func (s Status) String() string {
	if s.IsZero() {
		return ""
	}
	return string(s.append(make([]byte, 0, 16)))
}

func (s Status) append(b []byte) []byte {
	b = append(strconv.AppendInt(b, int64(s.Class), 10), '.')
	b = append(strconv.AppendInt(b, int64(s.Subject), 10), '.')
	return strconv.AppendInt(b, int64(s.Detail), 10)
}

// CutStatus takes an enhanced status code off the front of a reply text and
// gives the text after it. Without one it gives the zero value and the whole text.
func CutStatus(text string) (Status, string) {
	word, rest, _ := strings.Cut(text, " ")
	class, more, _ := strings.Cut(word, ".")
	subject, detail, _ := strings.Cut(more, ".")
	if len(class) != 1 || !strings.Contains("245", class) {
		return Status{}, text
	}
	var n [3]int
	for i, p := range [...]string{class, subject, detail} {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil || len(p) > 3 {
			return Status{}, text
		}
		n[i] = int(v)
	}
	return Status{n[0], n[1], n[2]}, strings.TrimLeft(rest, " ")
}
