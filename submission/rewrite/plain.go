package rewrite

import "bytes"

// lineOctets is the most octets of a line without its end (RFC 5322 section 2.1.1).
const lineOctets = 998

// plainText edits text that has no transfer encoding.
type plainText struct{ p *parts }

func (t *plainText) end() {}

func (t *plainText) feed(b []byte, whole bool) {
	at := -1
	var size int
	if whole {
		at, size = t.p.filler.find(b)
	}
	if at < 0 {
		t.p.write(b)
		return
	}
	rest := bytes.TrimRight(b, "\r\n")
	l := lines{end: b[len(rest):], max: lineOctets}
	if len(rest) > lineOctets {
		l.max = len(b) + len(t.p.filler.address)*(maxSES+maxOwn) // it was too long before
	}
	for ; at >= 0; at, size = t.p.filler.find(rest) {
		l.text(rest[:at])
		l.address(t.p.filler.address)
		rest = rest[at+size:]
	}
	l.text(rest)
	t.p.write(append(l.out, l.end...))
}

// lines puts a line together anew, and breaks it where it would be too long: at a
// blank, where that changes neither text nor HTML, else beside the address, which
// HTML passes over in an attribute.
type lines struct {
	out   []byte
	start int // of the last line in out
	max   int
	end   []byte
}

func (l *lines) address(a []byte) {
	if len(l.out)-l.start+len(a) > l.max {
		at := bytes.LastIndexAny(l.out[l.start:], " \t") + 1
		if at == 0 || len(l.out)-l.start-at+len(a) > l.max {
			at = len(l.out) - l.start
		}
		tail := bytes.Clone(l.out[l.start+at:])
		l.out = l.out[:l.start+at]
		l.newLine()
		l.out = append(l.out, tail...)
	}
	l.out = append(l.out, a...)
}

// text adds text that may stand behind an address.
func (l *lines) text(b []byte) {
	if len(l.out)-l.start+len(b) > l.max && len(l.out) > l.start {
		at := bytes.IndexAny(b, " \t") + 1
		if len(l.out)-l.start+at > l.max {
			at = 0
		}
		l.out = append(l.out, b[:at]...)
		b = b[at:]
		l.newLine()
	}
	l.out = append(l.out, b...)
}

func (l *lines) newLine() {
	if len(l.out) > l.start { // an empty line would be a paragraph
		l.out = append(l.out, "\r\n"...)
		l.start = len(l.out)
	}
}
