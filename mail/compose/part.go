package compose

import (
	"crypto/rand"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"path/filepath"
	"strings"

	"github.com/emersion/go-message/textproto"

	"github.com/sesame-mta/sesame/mail/message"
)

// part is one entity of the body: a leaf, or a multipart with parts of its own.
type part struct {
	fields   [][]byte // of its header, in order
	encoding string
	write    func(io.Writer) error
	binary   bool // line ends are octets as others
	boundary string
	parts    []*part
}

func (p *part) add(name, value string) {
	p.fields = append(p.fields, message.Field(name, value))
}

// fill writes the content of a part whose header was written.
func (p *part) fill(w io.Writer) error {
	if p.write != nil {
		return p.leaf(w)
	}
	mw := textproto.NewMultipartWriter(w)
	if err := mw.SetBoundary(p.boundary); err != nil {
		return err
	}
	for _, child := range p.parts {
		var h textproto.Header
		for i := len(child.fields) - 1; i >= 0; i-- {
			h.AddRaw(child.fields[i])
		}
		cw, err := mw.CreatePart(h)
		if err != nil {
			return err
		}
		if err := child.fill(cw); err != nil {
			return err
		}
	}
	return mw.Close()
}

// leaf writes the octets of a part in its encoding.
func (p *part) leaf(w io.Writer) error {
	var enc io.WriteCloser
	switch p.encoding {
	case "base64":
		enc = base64.NewEncoder(base64.StdEncoding, &wrapped{w: w})
	case "quoted-printable":
		qp := quotedprintable.NewWriter(w)
		qp.Binary = p.binary
		enc = qp
	default:
		return p.write(w)
	}
	if err := p.write(enc); err != nil {
		return err
	}
	return enc.Close()
}

// wrapped breaks base64 into lines (RFC 2045 section 6.8).
type wrapped struct {
	w  io.Writer
	at int
}

var crlf = []byte("\r\n")

// base64Line is the longest line of base64.
const base64Line = 76

func (l *wrapped) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if l.at == base64Line {
			if _, err := l.w.Write(crlf); err != nil {
				return n, err
			}
			l.at = 0
		}
		k := min(len(p), base64Line-l.at)
		if _, err := l.w.Write(p[:k]); err != nil {
			return n, err
		}
		n, l.at, p = n+k, l.at+k, p[k:]
	}
	return n, nil
}

func multi(kind string, parts []*part, root string) *part {
	// No line of a part begins so: 26 random characters, and "=_" is in neither
	// encoding (RFC 2045 section 6.7).
	p := &part{parts: parts, boundary: "=_" + rand.Text()}
	params := map[string]string{"boundary": p.boundary}
	if root != "" {
		params["type"] = root // RFC 2387 section 3.1
	}
	p.add("Content-Type", mime.FormatMediaType("multipart/"+kind, params))
	return p
}

// longest is the longest line of a text that goes as it is; RFC 5322 section 2.1.1
// allows 998.
const longest = 900

// text makes the part of a text. What is ASCII in lines that are short enough
// goes as it is, mostly ASCII as quoted-printable, other as base64.
func text(kind, s string) *part {
	s = lines(s)
	other, line, long := 0, 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			line = 0
		case c > '~' || c < ' ' && c != '\t' && c != '\r':
			other++
			fallthrough
		default:
			if line++; line > longest {
				long = true
			}
		}
	}
	charset, encoding := "us-ascii", "7bit"
	switch {
	case other > len(s)/3:
		charset, encoding = "utf-8", "base64"
	case other > 0:
		charset, encoding = "utf-8", "quoted-printable"
	case long:
		encoding = "quoted-printable"
	}
	p := &part{encoding: encoding, write: func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}}
	p.add("Content-Type", mime.FormatMediaType("text/"+kind, map[string]string{"charset": charset}))
	p.add("Content-Transfer-Encoding", encoding)
	return p
}

// lines gives every line of a text the end that mail has, the last one too: what
// follows it, a boundary or the end of the message, begins a line.
func lines(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// attached makes the part of an attachment. Its octets are nobody's text, so that
// not even their line ends are touched.
func attached(a Attachment) *part {
	p := &part{encoding: "base64", write: func(w io.Writer) error {
		_, err := io.Copy(w, a.Open())
		return err
	}}
	if a.Quoted {
		p.encoding, p.binary = "quoted-printable", true
	}
	p.add("Content-Type", mediaType(a))
	p.add("Content-Transfer-Encoding", p.encoding)
	kind, params := "attachment", map[string]string{}
	if a.Inline {
		kind = "inline"
	}
	if a.Name != "" {
		params["filename"] = a.Name
	}
	p.add("Content-Disposition", mime.FormatMediaType(kind, params))
	if a.ContentID != "" {
		p.add("Content-ID", "<"+a.ContentID+">")
	}
	if a.Description != "" {
		p.add("Content-Description", Words(a.Description))
	}
	return p
}

// unknown is the type of octets that nothing is known of (RFC 2046 section 4.5.1).
const unknown = "application/octet-stream"

func mediaType(a Attachment) string {
	given := a.Type
	if given == "" {
		given = mime.TypeByExtension(strings.ToLower(filepath.Ext(a.Name)))
	}
	t, params, err := mime.ParseMediaType(given)
	if err != nil || strings.HasPrefix(t, "multipart/") || strings.HasPrefix(t, "message/") {
		// Entities must not be encoded (RFC 2046 section 5.2.1), and this one is.
		return unknown
	}
	return mime.FormatMediaType(t, params)
}
