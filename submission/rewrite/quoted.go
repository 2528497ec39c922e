package rewrite

import "bytes"

// softBreak ends a line of quoted-printable that goes on (RFC 2045 section 6.7).
var softBreak = []byte("=\r\n")

// maxSoft bounds the soft breaks within a placeholder, in octets.
const maxSoft = 1024

// quotedLine is how much of an address stands in one line, which has at most 76
// octets.
const quotedLine = 72

// quoted edits text in quoted-printable.
type quoted struct {
	p      *parts
	m      matcher
	soft   []byte // soft breaks before the next octet, while some are held back
	column int    // of what was written
	filled bool   // an address was written last
}

func newQuoted(p *parts) *quoted {
	q := &quoted{p: p}
	q.m = matcher{filler: p.filler, sink: q}
	return q
}

func (q *quoted) feed(b []byte, whole bool) {
	if !whole { // no line of quoted-printable is as long
		q.end()
		q.write(b)
		return
	}
	if len(q.m.text) == 0 && !q.filled && bytes.IndexByte(b, '{') < 0 && !bytes.Contains(b, []byte("=7")) {
		q.write(b)
		return
	}
	text := bytes.TrimRight(b, "\r\n")
	end := b[len(text):]
	for i := 0; i < len(text); {
		switch {
		case text[i] != '=':
			q.octet(text[i], text[i:i+1])
			i++
		case i+2 < len(text) && hex(text[i+1]) >= 0 && hex(text[i+2]) >= 0:
			q.octet(byte(hex(text[i+1])<<4|hex(text[i+2])), text[i:i+3])
			i += 3
		case len(bytes.TrimLeft(text[i+1:], " \t")) == 0 && len(end) > 0:
			q.goOn(b[i:])
			return
		default: // not as it should be: it is what it is
			q.octet('=', text[i:i+1])
			i++
		}
	}
	if len(end) > 0 {
		q.octet('\n', end)
	}
}

// goOn takes a soft break.
func (q *quoted) goOn(raw []byte) {
	if len(q.m.text) > 0 && len(q.soft) < maxSoft {
		q.soft = append(q.soft, raw...)
		return
	}
	q.m.flush()
	q.write(q.soft)
	q.soft = nil
	q.filled = false
	q.write(raw)
}

func (q *quoted) octet(c byte, raw []byte) {
	if len(q.soft) > 0 {
		raw = append(q.soft, raw...)
		q.soft = nil
	}
	q.m.put(c, raw)
}

func (q *quoted) keep(_ byte, raw []byte) {
	if q.filled {
		q.filled = false
		if raw[0] != '\r' && raw[0] != '\n' && !bytes.HasPrefix(raw, softBreak) {
			q.write(softBreak)
		}
	}
	q.write(raw)
}

// fill writes the address on lines of its own, so that what is before it and after
// it stays as long as it was.
func (q *quoted) fill() {
	if q.column > 0 {
		q.write(softBreak)
	}
	n := 0
	for _, c := range q.p.filler.address {
		if n >= quotedLine {
			q.write(softBreak)
			n = 0
		}
		if c == '=' || c <= ' ' || c > '~' {
			q.write([]byte{'=', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15]})
			n += 3
			continue
		}
		q.write([]byte{c})
		n++
	}
	q.filled = true
}

func (q *quoted) end() {
	q.m.flush()
	q.write(q.soft)
	q.soft, q.filled = nil, false
}

func (q *quoted) write(b []byte) {
	q.p.write(b)
	if at := bytes.LastIndexByte(b, '\n'); at >= 0 {
		q.column = len(b) - at - 1
	} else {
		q.column += len(b)
	}
}

// hex gives the value of a digit, negative when it is none.
func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c - 'A' + 10)
	case c >= 'a' && c <= 'f': // not allowed, and read by all
		return int(c - 'a' + 10)
	}
	return -1
}
