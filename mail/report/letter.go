package report

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// letter is mail of ours in parts.
type letter struct {
	id                    mail.ID // its Message-ID and boundary
	date                  time.Time
	domain, from, subject string
	to                    mail.ForwardPath
	about                 string // the Message-ID field of what it is about
	kind                  string // media type, without the boundary
	parts                 []part
}

// part is one of them.
type part struct {
	kind, description string
	encoding          string // empty for 7bit
	body              []byte
}

// compose gives a header section with its empty line, and a body.
func (l *letter) compose() (header, body []byte) {
	boundary := "=_" + hex.EncodeToString(l.id[:])
	for _, p := range l.parts {
		// What is returned was written by others; only a guess could hit this.
		for bytes.Contains(p.body, []byte(boundary)) {
			boundary += "_"
		}
	}

	add := func(name, value string) { header = append(header, message.Field(name, value)...) }
	add("Date", message.Date(l.date))
	add("From", l.from)
	add("To", l.to.String())
	add("Subject", l.subject)
	add("Message-ID", message.NewMessageID(l.id, l.domain))
	if id := l.about; len(id) < 250 && strings.HasPrefix(id, "<") &&
		strings.IndexByte(id, '>') == len(id)-1 && !strings.ContainsAny(id, " \t\r\n") {
		add("In-Reply-To", id)
		add("References", id)
	}
	add("Auto-Submitted", "auto-replied") // RFC 3834 section 5
	add("MIME-Version", "1.0")
	add("Content-Type", l.kind+`; boundary="`+boundary+`"`)
	header = append(header, "\r\n"...)

	var b bytes.Buffer
	for _, p := range l.parts {
		b.WriteString("--" + boundary + "\r\n")
		b.Write(message.Field("Content-Type", p.kind))
		b.Write(message.Field("Content-Description", p.description))
		if p.encoding != "" {
			b.Write(message.Field("Content-Transfer-Encoding", p.encoding))
		}
		b.WriteString("\r\n")
		b.Write(p.body)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return header, b.Bytes()
}

// original gives back a message: as a whole where its body was given and needs no
// encoding, else its header section (RFC 6522 sections 3 and 4).
func original(header, body []byte) part {
	head := cleanHeader(header)
	if body != nil && plain(body) {
		head = append(append(head, '\r', '\n'), body...)
		return part{kind: "message/rfc822", description: "Undelivered Message", body: head}
	}
	return part{kind: "text/rfc822-headers", description: "Undelivered Message", body: head}
}

// maxLine is the longest line without its CRLF (RFC 5322 section 2.1.1).
const maxLine = 998

// cleanHeader gives the lines of a header section without the empty one, cut
// where they are too long, with question marks for what is no 7-bit text.
func cleanHeader(header []byte) []byte {
	out := make([]byte, 0, len(header)+2)
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if line == "" {
			break
		}
		n := 0
		for i := 0; i < len(line); i++ {
			c := line[i]
			if c != '\t' && (c < ' ' || c > '~') {
				c = '?'
			}
			if n == maxLine {
				out = append(out, '\r', '\n', ' ')
				n = 1
			}
			out = append(out, c)
			n++
		}
		out = append(out, '\r', '\n')
	}
	return out
}

// plain reports whether a body is 7-bit text in short lines ended by CRLF (RFC
// 2045 section 2.7), as a message/rfc822 part without encoding must be.
func plain(body []byte) bool {
	line := 0
	for i, c := range body {
		switch {
		case c == '\n':
			if i == 0 || body[i-1] != '\r' {
				return false
			}
			line = 0
			continue
		case c == '\r':
			if i+1 == len(body) || body[i+1] != '\n' {
				return false
			}
			continue
		case c == 0 || c > 0x7f:
			return false
		}
		if line++; line > maxLine {
			return false
		}
	}
	return true
}
