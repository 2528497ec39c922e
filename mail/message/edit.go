package message

import "bytes"

// Span is a run of octets of the original header section.
type Span struct {
	Off uint32
	Len uint32
}

// Edit is what we change in a header section, kept beside the content that the
// client sent: the message that leaves is Prefix, then the header section less
// the dropped spans, then the body as it came.
type Edit struct {
	// Prefix holds whole header fields, each ended by CRLF.
	Prefix []byte
	// Drop lists whole fields of the original section, ascending, not overlapping.
	Drop []Span
}

// Apply gives the edited header section: what is left of header, with Prefix in
// front and the empty line at its end, which a message without a body may lack
// (RFC 5322 section 2.1). It copies; header stays as it is.
func (e Edit) Apply(header []byte) []byte {
	out := make([]byte, 0, len(e.Prefix)+len(header)+2)
	out = append(out, e.Prefix...)
	at := uint32(0)
	for _, s := range e.Drop {
		out = append(out, header[at:s.Off]...)
		at = s.Off + s.Len
	}
	out = append(out, header[at:]...)
	if !bytes.HasSuffix(header, []byte("\r\n\r\n")) && string(header) != "\r\n" {
		out = append(out, '\r', '\n')
	}
	return out
}
