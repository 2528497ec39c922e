package dkim

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// over says when a name stands in h= once more than the field is there, so that
// nobody can add another (RFC 6376 section 8.15).
type over int

const (
	never   over = iota + 1
	present      // when the field is there at all
	always       // also when it is not
)

// signedFields is what we sign, in the order of h=: what RFC 6376 section 5.4.1
// advises, and List-Unsubscribe-Post (RFC 8058 section 4). Fields that change on the way
// (Received, Return-Path) or for each attempt (X-SES-Outgoing) have no place.
var signedFields = [...]struct {
	name string
	over over
}{
	{"From", always}, {"Subject", always}, {"Date", always}, {"Reply-To", always},
	{"To", present}, {"Cc", present},
	{"Sender", never}, {"Message-ID", never}, {"In-Reply-To", never}, {"References", never},
	{"MIME-Version", never}, {"Content-Type", never}, {"Content-Transfer-Encoding", never},
	{"Content-ID", never}, {"Content-Description", never}, {"Content-Disposition", never},
	{"Content-Language", never},
	{"Resent-Date", never}, {"Resent-From", never}, {"Resent-Sender", never}, {"Resent-To", never},
	{"Resent-Cc", never}, {"Resent-Message-ID", never},
	{"List-Id", never}, {"List-Help", never}, {"List-Unsubscribe", never},
	{"List-Unsubscribe-Post", never}, {"List-Subscribe", never}, {"List-Post", never},
	{"List-Owner", never}, {"List-Archive", never}, {"Feedback-ID", never},
}

// Bounds of a header section to sign: those of the door and room for what was
// added since.
var limits = message.Limits{Octets: 512 << 10, Fields: 1200}

// Sign gives the DKIM-Signature fields of a message, one per key in the order of
// the keys, each ended by CRLF, to be put in front of it. The header section is
// the one that leaves, with or without its empty line; the body is read once,
// whatever the number of keys. Header and body are signed in relaxed form, the
// body as a whole (no l=), without an end (no x=), with t as the time. The same
// input gives the same octets.
//
// A header section without exactly one From is an error (RFC 6376 section 5.4
// wants From signed; two could be told apart by nobody).
func Sign(header []byte, body io.Reader, keys []*Key, t time.Time) ([]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	section, err := limits.Scan(header)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if n := section.Count("From"); n != 1 {
		return nil, fmt.Errorf("sign: %d From fields", n)
	}
	names, fields := pick(section, len(header))

	whole := relaxedBody{sum: sha256.New(), out: make([]byte, 0, bodyBuffer)}
	if err := whole.readAll(body); err != nil {
		return nil, fmt.Errorf("sign: read body: %w", err)
	}
	bh := base64.StdEncoding.EncodeToString(whole.hash())

	var out []byte
	for _, k := range keys {
		if out, err = k.sign(out, names, fields, bh, t); err != nil {
			return nil, fmt.Errorf("sign with %s: %w", k.Record(), err)
		}
	}
	return out, nil
}

// pick gives the names for h= and, in relaxed form, the fields that they stand
// for, which size octets are room for. Of several fields with a name the last is
// first (RFC 6376 section 5.4.2).
func pick(section *message.Section, size int) (names []string, fields []byte) {
	names, fields = make([]string, 0, len(signedFields)), make([]byte, 0, size)
	for _, s := range signedFields {
		found := false
		for _, f := range slices.Backward(section.Fields) {
			if len(f.Name) == len(s.name) && strings.EqualFold(f.Name, s.name) {
				found = true
				names = append(names, s.name)
				fields = relaxedField(fields, f)
			}
		}
		if s.over == always || s.over == present && found {
			names = append(names, s.name)
		}
	}
	return names, fields
}

// sign appends the signature field of one key.
func (k *Key) sign(out []byte, names []string, fields []byte, bh string, t time.Time) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	w := folder{}
	w.word("DKIM-Signature:")
	w.word(" v=1;")
	w.word(" a=" + k.Algorithm.String() + "-sha256;")
	w.word(" c=relaxed/relaxed;")
	w.word(" d=" + k.Domain + ";")
	w.word(" s=" + k.Selector + ";")
	w.word(" t=" + strconv.FormatInt(t.Unix(), 10) + ";")
	lead, end := " h=", ":"
	for i, name := range names {
		if i == len(names)-1 {
			end = ";"
		}
		w.word(lead + name + end)
		lead = ""
	}
	w.word(" bh=" + bh + ";")
	w.word(" b=")

	// The field itself is hashed last, with b= empty and without its CRLF (RFC 6376
	// section 3.7).
	h := sha256.New()
	h.Write(fields)
	name, raw, _ := strings.Cut(string(w.buf), ":")
	own := relaxedField(nil, message.HeaderField{Name: name, Raw: raw})
	h.Write(own[:len(own)-2])

	// Ed25519 signs the hash as a message of its own (RFC 8463 section 3).
	how := crypto.SHA256
	if k.Algorithm == Ed25519 {
		how = 0
	}
	sig, err := k.Private.Sign(rand.Reader, h.Sum(nil), how)
	if err != nil {
		return nil, err
	}
	text := base64.StdEncoding.EncodeToString(sig)
	for text != "" {
		n := min(len(text), lineLength-w.line)
		w.word(text[:n])
		if text = text[n:]; text != "" {
			w.fold()
		}
	}
	return append(append(out, w.buf...), '\r', '\n'), nil
}

// check refuses a key that could not be verified or would break out of its tags.
func (k *Key) check() error {
	if _, err := mail.ParseDomain(k.Record()); err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	switch alg, err := AlgorithmOf(k.Private); {
	case err != nil:
		return err
	case alg != k.Algorithm:
		return fmt.Errorf("%w: %v key called %v", ErrKey, alg, k.Algorithm)
	}
	return nil
}

// lineLength is where lines of the signature field end at the latest.
const lineLength = 76

// folder writes a header field word by word, folding between them.
type folder struct {
	buf  []byte
	line int
}

// word appends s, on a new line when this one has no room. A blank in front
// is the fold then.
func (w *folder) word(s string) {
	if w.line+len(s) > lineLength && w.line > 1 {
		w.fold()
		s = strings.TrimPrefix(s, " ")
	}
	w.buf = append(w.buf, s...)
	w.line += len(s)
}

func (w *folder) fold() {
	w.buf = append(w.buf, "\r\n\t"...)
	w.line = 1
}
