package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// How far the clock of a client may be off, and from when on a request is called
// expired (spec section 10.1).
const (
	Skew   = 5 * time.Minute
	tooOld = 15 * time.Minute
)

// Check compares time and scope of the claim with ours. It needs no secret, so
// that it can go before the body is read.
func (c *Claim) Check(now time.Time, region string) error {
	now = now.UTC()
	form := func(t time.Time) string { return t.UTC().Format(timeForm) }
	switch {
	case c.Time.After(now.Add(Skew)):
		return &Error{Mismatch, "Signature not yet current: " + form(c.Time) + " is still later than " + form(now.Add(Skew)) +
			" (" + form(now) + " + 5 min.)"}
	case c.presigned && now.After(c.Time.Add(c.Life)), !c.presigned && c.Time.Before(now.Add(-tooOld)):
		return &Error{Expired, "Request has expired."}
	case !c.presigned && c.Time.Before(now.Add(-Skew)):
		return &Error{Mismatch, "Signature expired: " + form(c.Time) + " is now earlier than " + form(now.Add(-Skew)) +
			" (" + form(now) + " - 5 min.)"}
	case c.date != c.Time.Format(dateForm):
		return &Error{Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."}
	case c.region != region:
		return &Error{Mismatch, "Credential should be scoped to a valid region."}
	case c.service != Service && c.service != Topics:
		return &Error{Mismatch, "Credential should be scoped to correct service: '" + Service + "'."}
	case c.last != terminator:
		return &Error{Mismatch, "Credential should be scoped with a valid terminator: '" + terminator + "'."}
	}
	return nil
}

// Verify reports whether the secret signed this request with a body of this hash.
// The request is built again of nothing but what the client says it signed, the
// official signer signs it, and the signatures are compared in constant time.
func (c *Claim) Verify(ctx context.Context, r *http.Request, body [sha256.Size]byte, secret string) error {
	hash := hex.EncodeToString(body[:])
	if c.payload != "" && !strings.EqualFold(c.payload, hash) {
		// UNSIGNED-PAYLOAD among them: every body is signed here, as at SES.
		return &Error{Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	again := c.again(r)
	who := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: secret}
	// A new signer each time: one that is kept remembers keys by their id.
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	var signature string
	if c.presigned {
		signed, _, err := signer.PresignHTTP(ctx, who, again, hash, c.service, c.region, c.Time)
		if err != nil {
			return errMismatch
		}
		signature = after(signed, "X-Amz-Signature=")
	} else {
		if err := signer.SignHTTP(ctx, who, again, hash, c.service, c.region, c.Time); err != nil {
			return errMismatch
		}
		signature = after(again.Header.Get("Authorization"), "Signature=")
	}
	if signature == "" || !hmac.Equal([]byte(signature), []byte(c.signature)) {
		return errMismatch
	}
	return nil
}

// after gives what follows the last occurrence of a word.
func after(s, word string) string {
	i := strings.LastIndex(s, word)
	if i < 0 {
		return ""
	}
	return s[i+len(word):]
}

// again is the request as far as it was signed. A signed length is a field of its
// own in net/http.
func (c *Claim) again(r *http.Request) *http.Request {
	u := &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if c.presigned {
		q := u.Query()
		q.Del("X-Amz-Signature")
		u.RawQuery = q.Encode()
	}
	out := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: make(http.Header, len(c.signed))}
	for _, name := range c.signed {
		switch name {
		case "host":
		case "content-length":
			out.ContentLength = r.ContentLength
		default:
			if values := r.Header.Values(name); len(values) > 0 {
				out.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
	}
	return out
}
