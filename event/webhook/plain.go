package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/event"
)

// The header fields of a plain webhook, those of the Standard Webhooks
// specification, so that its libraries check them.
const (
	HeaderID        = "webhook-id"        // the same when an event is told again
	HeaderTimestamp = "webhook-timestamp" // seconds since 1970, of this attempt
	HeaderSignature = "webhook-signature" // "v1," and the HMAC in base64
	HeaderSequence  = "sesame-sequence"   // grows by one for the destination, without gaps
)

// SecretPrefix stands before a secret in its text form.
const SecretPrefix = "whsec_"

// SecretText gives a secret as it is shown to people and taken by libraries.
func SecretText(secret []byte) string {
	return SecretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// PlainOptions is what a Plain is made from.
type PlainOptions struct {
	Consumer string // its name in the outbox
	URL      string
	Secret   []byte
	Client   *http.Client
	Encoder  *event.Encoder
}

// Plain posts each event as it is. It is an event.Sink.
type Plain struct{ o PlainOptions }

// NewPlain makes a sink.
func NewPlain(o PlainOptions) *Plain { return &Plain{o} }

// Ready implements event.Sink.
func (p *Plain) Ready(context.Context) error { return nil }

// Close implements event.Sink.
func (p *Plain) Close() error { return nil }

// Tell implements event.Sink.
func (p *Plain) Tell(ctx context.Context, records []event.Record) ([]uint64, error) {
	return each(ctx, records, func(ctx context.Context, r event.Record) error {
		body := p.o.Encoder.Line(r, false)
		id, at := "evt_"+hex.EncodeToString(digest(p.o.Consumer, r.Seq)), strconv.FormatInt(time.Now().Unix(), 10)
		header := http.Header{}
		header.Set("Content-Type", "application/json")
		header.Set(HeaderID, id)
		header.Set(HeaderTimestamp, at)
		header.Set(HeaderSignature, Sign(p.o.Secret, id, at, body))
		header.Set(HeaderSequence, strconv.FormatUint(r.Seq, 10))
		return post(ctx, p.o.Client, p.o.URL, header, body)
	})
}

// Sign gives the signature of a plain webhook: an HMAC-SHA256 over the id, the
// timestamp and the body, parted by dots.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// digest makes 16 octets that name an event of a destination, the same each time.
func digest(consumer string, seq uint64) []byte {
	sum := sha256.Sum256([]byte(consumer + "#" + strconv.FormatUint(seq, 10)))
	return sum[:16]
}
