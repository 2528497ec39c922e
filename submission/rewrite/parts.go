package rewrite

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/sesame-mta/sesame/mail/message"
)

// Bounds of the structure of a message. What lies beyond them is copied as it is.
const (
	maxDepth  = 20       // of multiparts in multiparts
	maxHeader = 64 << 10 // octets of the header section of a part
	maxLine   = 128 << 10
)

// parts walks through the structure of a message (RFC 2046 section 5.1), line by
// line. All that can be wrong with it ends in copying.
type parts struct {
	out    *bufio.Writer // keeps its first error
	filler *filler
	open   []string // boundaries of the multiparts around, the outermost first
	editor editor   // of the part under way; nil copies
	head   []byte   // header section of a part, as far as it was read
	inHead bool
}

func (p *parts) copy(body io.Reader) error {
	in := bufio.NewReaderSize(body, maxLine)
	begun := true // the next octets begin a line
	for {
		line, err := in.ReadSlice('\n')
		whole := begun && !errors.Is(err, bufio.ErrBufferFull)
		begun = !errors.Is(err, bufio.ErrBufferFull)
		if whole && p.delimiter(line) {
			p.write(line)
		} else if len(line) > 0 {
			p.content(line, whole)
		}
		switch {
		case errors.Is(err, io.EOF):
			p.endPart()
			return nil
		case err != nil && begun:
			return err
		}
	}
}

// write copies; the writer keeps what goes wrong.
func (p *parts) write(b []byte) { _, _ = p.out.Write(b) }

// delimiter reports whether a line is one of a multipart that is open, and if so
// ends what lies within.
func (p *parts) delimiter(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("--"))
	if !ok {
		return false
	}
	rest = bytes.TrimRight(rest, " \t\r\n")
	for i := len(p.open) - 1; i >= 0; i-- {
		after, ok := bytes.CutPrefix(rest, []byte(p.open[i]))
		if !ok || len(after) > 0 && string(after) != "--" {
			continue
		}
		p.endPart()
		last := len(after) > 0
		if p.open = p.open[:i+1]; last {
			p.open = p.open[:i]
		}
		p.inHead, p.head = !last, p.head[:0]
		return true
	}
	return false
}

func (p *parts) endPart() {
	if p.editor != nil {
		p.editor.end()
		p.editor = nil
	}
}

func (p *parts) content(b []byte, whole bool) {
	if p.editor != nil {
		p.editor.feed(b, whole)
		return
	}
	p.write(b)
	if !p.inHead {
		return
	}
	switch {
	case !whole || len(p.head)+len(b) > maxHeader:
		p.inHead = false
	case len(bytes.TrimRight(b, "\r\n")) > 0:
		p.head = append(p.head, b...)
	default:
		p.inHead = false
		if s, err := partHeader(p.head); err == nil {
			p.enter(s)
		}
	}
}

// partHeader reads the header section of a part, which may be empty, and hold what
// a message's may not.
func partHeader(text []byte) (*message.Section, error) {
	if len(text) == 0 {
		return &message.Section{}, nil
	}
	return message.Limits{EightBit: func(string) bool { return true }}.Scan(text)
}

// enter decides by its header section what becomes of a part.
func (p *parts) enter(s *message.Section) {
	if s.Count("Content-Type") > 1 || s.Count("Content-Transfer-Encoding") > 1 {
		return
	}
	kind, params := "text/plain", map[string]string(nil) // RFC 2045 section 5.2
	if field, ok := s.Get("Content-Type"); ok {
		var err error
		if kind, params, err = mime.ParseMediaType(field.Value()); err != nil {
			return
		}
	}
	field, _ := s.Get("Content-Transfer-Encoding")
	encoding := strings.ToLower(field.Value())
	plain := encoding == "" || encoding == "7bit" || encoding == "8bit"
	if multi, ok := strings.CutPrefix(kind, "multipart/"); ok {
		boundary := params["boundary"]
		// A change would break a signature; the parts of a digest are messages.
		if plain && multi != "signed" && multi != "encrypted" && multi != "digest" && boundary != "" && len(p.open) < maxDepth {
			p.open = append(p.open, boundary)
		}
		return
	}
	if kind != "text/plain" && kind != "text/html" || attached(s) {
		return
	}
	switch {
	case plain:
		p.editor = &plainText{p}
	case encoding == "quoted-printable":
		p.editor = newQuoted(p)
	case encoding == "base64":
		p.editor = newBase64(p)
	}
}

// attached reports whether a part is a file beside the text (RFC 2183).
func attached(s *message.Section) bool {
	field, ok := s.Get("Content-Disposition")
	word, _, _ := strings.Cut(field.Value(), ";")
	return ok && !strings.EqualFold(strings.TrimSpace(word), "inline")
}
