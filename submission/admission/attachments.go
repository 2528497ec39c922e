package admission

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"mime"
	"strconv"
	"strings"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"github.com/sesame-mta/sesame/mail"
)

// forbidden are the extensions of files that SES does not take (spec section 3.8).
var forbidden = strings.Fields(`ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta
	inf ins isp its js jse ksh lib lnk mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh
	msh1 msh2 mshxml msh1xml msh2xml msi msp mst ops pcd pif plg prf prg reg scf scr sct shb shs sys ps1 ps1xml ps2
	ps2xml psc1 psc2 tmp url vb vbe vbs vps vsmacros vss vst vsw vxd ws wsc wsf wsh xnk`)

// Bounds of the MIME structure, beside the number of parts.
const (
	defaultParts = 500
	maxDepth     = 20       // multiparts and attached messages within one another
	maxMIME      = 64 << 10 // octets before a part and of its header section
)

// attachments looks for files with a forbidden extension in the strict profile.
// The default profile does not open the body: what a file may be is the
// recipient's affair, and a name proves nothing.
func attachments(parts int) func(context.Context, *Candidate) error {
	if parts <= 0 {
		parts = defaultParts
	}
	refused := make(map[string]bool, len(forbidden))
	for _, e := range forbidden {
		refused[e] = true
	}
	return func(_ context.Context, c *Candidate) error {
		if !c.Principal.Strict || c.Content == nil {
			return nil
		}
		src := &source{r: io.NewSectionReader(c.Content, c.HeaderSize, c.Size-c.HeaderSize)}
		w := walk{refused: refused, left: parts, parts: parts}
		err := w.entity(func(name string) []string {
			var values []string
			for _, f := range c.Header.All(name) {
				values = append(values, f.Value())
			}
			return values
		}, src, 0)
		if src.err != nil {
			return mail.Recorded(451, 3, 0, "Temporary service failure").WithCause(src.err)
		}
		return err
	}
}

// source notes that content could not be read, which is no fault of its sender.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// errTooLong says that a meter has run out.
var errTooLong = errors.New("too long")

// meter is a reader with a bound that is set anew for each thing to be read.
type meter struct {
	r    io.Reader
	left int64
}

const unlimited = math.MaxInt64

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooLong
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

// walk reads a MIME tree once, from front to end, and keeps nothing of it.
type walk struct {
	refused map[string]bool
	left    int // parts that may still come
	parts   int
}

// errStructure is told of everything that cannot be read in one way.
func errStructure() error { return failed(0, "MIME structure cannot be parsed.") }

func (w *walk) part() error {
	if w.left--; w.left < 0 {
		return failed(0, "Message has more than "+strconv.Itoa(w.parts)+" MIME parts.")
	}
	return nil
}

// entity looks at one node of the tree; values gives the fields of a name.
func (w *walk) entity(values func(name string) []string, body io.Reader, depth int) error {
	types, encodings := values("Content-Type"), values("Content-Transfer-Encoding")
	switch {
	case len(types) > 1:
		return duplicate("Content-Type")
	case len(encodings) > 1:
		return duplicate("Content-Transfer-Encoding")
	case depth > maxDepth:
		return failed(0, "MIME parts are nested more than "+strconv.Itoa(maxDepth)+" deep.")
	}
	for _, field := range append(values("Content-Disposition"), types...) {
		for _, name := range fileNames(field) {
			if ext := extension(name); w.refused[ext] {
				return failed(0, "Attachments with the file extension '."+ext+"' are not allowed.")
			}
		}
	}
	mediaType, params := "text/plain", map[string]string(nil)
	if len(types) == 1 && types[0] != "" {
		var err error
		if mediaType, params, err = mime.ParseMediaType(types[0]); err != nil {
			return failed(0, "Content-Type cannot be parsed.")
		}
	}
	encoding := ""
	if len(encodings) == 1 {
		encoding = strings.ToLower(encodings[0])
	}
	switch {
	case strings.HasPrefix(mediaType, "multipart/"):
		switch encoding {
		case "", "7bit", "8bit", "binary":
		default:
			// RFC 2045 section 6.4 allows no other; some readers decode it, some do not.
			return failed(0, "A multipart body must not be encoded.")
		}
		return w.multipart(body, params["boundary"], depth)
	case mediaType == "message/rfc822" || mediaType == "message/global":
		return w.attached(body, encoding, depth)
	}
	return nil
}

// multipart looks at the parts of a multipart body (RFC 2046 section 5.1).
func (w *walk) multipart(body io.Reader, boundary string, depth int) error {
	if boundary == "" || len(boundary) > 70 {
		return failed(0, "Multipart has no valid boundary.")
	}
	// The final delimiter may be missing; with one behind the body the reader
	// needs no opinion on that, and any error of it is one.
	src := &meter{r: io.MultiReader(body, strings.NewReader("\r\n--"+boundary+"--\r\n"))}
	parts := textproto.NewMultipartReader(src, boundary)
	for {
		src.left = maxMIME
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errStructure()
		}
		if err := w.part(); err != nil {
			return err
		}
		src.left = unlimited
		if err := w.entity(part.Header.Values, part, depth+1); err != nil {
			return err
		}
		// What is left of the part is passed over here, where it has no bound.
		if _, err := io.Copy(io.Discard, part); err != nil {
			return errStructure()
		}
	}
}

// attached looks at a message within a message.
func (w *walk) attached(body io.Reader, encoding string, depth int) error {
	if err := w.part(); err != nil {
		return err
	}
	var h message.Header
	h.Set("Content-Transfer-Encoding", encoding)
	decoded, err := message.New(h, body)
	if err != nil {
		return failed(0, "Content-Transfer-Encoding of an attached message is not known.")
	}
	src := &meter{r: decoded.Body, left: maxMIME}
	buf := bufio.NewReader(src)
	inner, err := textproto.ReadHeader(buf)
	if err != nil {
		return errStructure()
	}
	src.left = unlimited
	return w.entity(inner.Values, buf, depth+1)
}
