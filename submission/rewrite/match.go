package rewrite

import "bytes"

// sink takes octets of a text, each with how it was encoded.
type sink interface {
	// keep takes an octet that stays. The encoded form may be that of several
	// octets; it comes with the last of them.
	keep(c byte, raw []byte)
	// fill takes the place of a placeholder.
	fill()
}

// matcher finds placeholders in octets that come one at a time, and holds back
// what may be the start of one.
type matcher struct {
	filler *filler
	sink   sink
	text   []byte // held back
	raw    []byte // as it was encoded
	ends   []int  // where the raw form of each octet ends
}

func (m *matcher) put(c byte, raw []byte) {
	if len(m.text) == 0 && c != '{' {
		m.sink.keep(c, raw)
		return
	}
	m.text, m.raw = append(m.text, c), append(m.raw, raw...)
	m.ends = append(m.ends, len(m.raw))
	for len(m.text) > 0 {
		switch m.look() {
		case found:
			m.drop(len(m.text))
			m.sink.fill()
		case perhaps:
			return
		case no:
			m.pass()
		}
	}
}

// flush gives up what is held back.
func (m *matcher) flush() {
	for len(m.text) > 0 {
		m.pass()
	}
}

// pass lets the first octet go, and those after it that cannot be a start.
func (m *matcher) pass() {
	n := len(m.text)
	if at := bytes.IndexByte(m.text[1:], '{'); at >= 0 {
		n = 1 + at
	}
	start := 0
	for i := range n {
		m.sink.keep(m.text[i], m.raw[start:m.ends[i]])
		start = m.ends[i]
	}
	m.drop(n)
}

func (m *matcher) drop(n int) {
	size := m.ends[n-1]
	m.text = append(m.text[:0], m.text[n:]...)
	m.raw = append(m.raw[:0], m.raw[size:]...)
	m.ends = append(m.ends[:0], m.ends[n:]...)
	for i := range m.ends {
		m.ends[i] -= size
	}
}

// look says whether what is held back is a placeholder.
const (
	no = iota
	perhaps
	found
)

func (m *matcher) look() int {
	for n, name := range names {
		if !bytes.HasPrefix(name, m.text) {
			continue
		}
		if len(m.text) < len(name) {
			return perhaps
		}
		if m.filler.take(n) {
			return found
		}
	}
	return no
}
