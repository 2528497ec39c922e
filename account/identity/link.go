package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrLink says that a link is not, or no longer, one of ours; it says no more.
var ErrLink = errors.New("this link is not valid any more")

// ErrSoon says that a link was mailed a moment ago.
var ErrSoon = fmt.Errorf("%w: a mail with a link went out a moment ago", ErrSetting)

// errUnmoved ends an update that has nothing to change.
var errUnmoved = errors.New("nothing changed")

// Bounds of links.
const (
	nonceSize  = 16
	linkHead   = 8 + nonceSize // time of the end, nonce
	maxLink    = 1024
	linkResend = time.Minute
)

// Restart begins the verification of an identity anew. For an address it gives
// the secret text of a link to mail to it, good once and for 24 hours; an
// earlier one is good no more. ErrSoon, account.ErrNotFound, ErrName; an
// identity that is verified already is ErrSetting.
func (b *Book) Restart(ctx context.Context, accountID, text string) (i Identity, link string, err error) {
	n, _, err := parseName(accountID, text)
	if err != nil {
		return Identity{}, "", err
	}
	now := time.Now().UTC()
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	i, err = b.update(ctx, n, func(d *data) error {
		v := orNotStarted(d.Verification)
		if d.Verified || v.State == Success {
			return fmt.Errorf("%w: it is verified already", ErrSetting)
		}
		if n.local == "" {
			if d.Token == "" {
				d.Token = newToken()
			}
			if v.State != TemporaryFailure {
				d.Verification = &Check{Pending, now}
			}
			return nil
		}
		if d.Link != nil && now.Sub(d.Link.Sent) < linkResend {
			return ErrSoon
		}
		sum := sha256.Sum256(nonce[:])
		d.Link, d.Verification = &linkData{sum[:], now}, &Check{Pending, now}
		return nil
	})
	if err == nil && n.local != "" {
		link = b.link(n, nonce, now.Add(linkLife))
	}
	return i, link, err
}

// link writes time of the end, nonce, owner and address, and an HMAC over them.
func (b *Book) link(n name, nonce [nonceSize]byte, end time.Time) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(end.Unix()))
	raw = append(raw, nonce[:]...)
	raw = append(raw, n.account+" "+n.text()...)
	return base64.RawURLEncoding.EncodeToString(append(raw, b.linkSum(raw)...))
}

func (b *Book) linkSum(raw []byte) []byte {
	h := hmac.New(sha256.New, b.linkKey)
	h.Write(raw)
	return h.Sum(nil)
}

// readLink gives what a link is for, if it is ours and still good.
func (b *Book) readLink(link string) (n name, sum [sha256.Size]byte, err error) {
	if len(link) > maxLink {
		return n, sum, ErrLink
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(link)
	if err != nil || len(raw) < linkHead+sha256.Size {
		return n, sum, ErrLink
	}
	raw, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !hmac.Equal(mac, b.linkSum(raw)) || time.Now().Unix() >= int64(binary.BigEndian.Uint64(raw)) {
		return n, sum, ErrLink
	}
	owner, address, _ := strings.Cut(string(raw[linkHead:]), " ")
	local, domain := address[:max(strings.LastIndexByte(address, '@'), 0)], address[strings.LastIndexByte(address, '@')+1:]
	n = name{owner, local, domain}
	sum = sha256.Sum256(raw[8:linkHead])
	if e := b.get(n); e == nil || e.link == nil || !hmac.Equal(e.link.Hash, sum[:]) {
		return n, sum, ErrLink
	}
	return n, sum, nil
}

// Linked gives the identity that a link would verify, and changes nothing: mail
// scanners open links too. ErrLink.
func (b *Book) Linked(link string) (Identity, error) {
	n, _, err := b.readLink(link)
	if err != nil {
		return Identity{}, err
	}
	return b.get(n).Identity, nil
}

// Confirm verifies the address that a link was mailed to, once. ErrLink.
func (b *Book) Confirm(ctx context.Context, link string) (Identity, error) {
	n, sum, err := b.readLink(link)
	if err != nil {
		return Identity{}, err
	}
	before := b.get(n)
	after, err := b.update(ctx, n, func(d *data) error {
		if d.Link == nil || !hmac.Equal(d.Link.Hash, sum[:]) {
			return ErrLink
		}
		d.Link, d.Verification = nil, &Check{Success, time.Now().UTC()}
		return nil
	})
	if err != nil {
		return Identity{}, err
	}
	b.tell(before.Identity, after, findings{})
	return after, nil
}
