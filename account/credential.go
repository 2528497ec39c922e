package account

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Credential is a key pair of an account. Its secret is sealed on disk, shown
// once when it is made and never again. A caller does not change its slices.
type Credential struct {
	AccessKeyID string // the SMTP user name: AKIA and 16 of A-Z, 2-7
	Account     string // 12 digits
	Created     time.Time
	RevokedAt   time.Time // zero while it is good
	LastUsed    time.Time // to the second; zero before the first use
	// Imported: it was made elsewhere. Region is where its password was derived;
	// empty for one of our own, for SigV2 and when the password itself came.
	Imported bool
	Region   string
	SigV2    bool // its password has the form of before 2019 (spec section 2.3)
	Terms
}

// Revoked reports whether the credential is good no more.
func (c Credential) Revoked() bool { return !c.RevokedAt.IsZero() }

const credentialVersion = 1

// credentialData is a Credential on disk; owner and access key id are the record's.
type credentialData struct {
	V       int       `json:"v"`
	Sealed  []byte    `json:"sealed"` // the secret
	Created time.Time `json:"created"`
	Revoked time.Time `json:"revoked,omitzero"`
	Used    time.Time `json:"used,omitzero"`
	// Password: what is sealed is the SMTP password, the secret is not known.
	Password bool      `json:"password,omitempty"`
	Imported bool      `json:"imported,omitempty"`
	Region   string    `json:"region,omitempty"`
	SigV2    bool      `json:"sigv2,omitempty"`
	Terms    termsData `json:"terms,omitzero"`
}

type termsData struct {
	From             []string       `json:"from,omitempty"`
	Networks         []netip.Prefix `json:"networks,omitempty"`
	RecipientDomains []string       `json:"recipient_domains,omitempty"`
	ConfigurationSet string         `json:"configuration_set,omitempty"`
	Tags             []Tag          `json:"tags,omitempty"`
}

// credential is one in memory: the record to compare with, the tag of its
// password, and when it was used last, in seconds of Unix time.
type credential struct {
	Credential
	record Record
	tag    tag
	used   *atomic.Int64
}

// shown is the credential with its last use.
func (c *credential) shown() Credential {
	out := c.Credential
	if at := c.used.Load(); at != 0 {
		out.LastUsed = time.Unix(at, 0).UTC()
	}
	return out
}

func (b *Book) credential(accessKeyID string) *credential {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.credentials[accessKeyID]
}

// CreateCredential makes a credential for an account, given by name or id. The
// secret and the SMTP password derived from it cannot be had again.
func (b *Book) CreateCredential(ctx context.Context, account string, terms ...Terms) (c Credential, secret, smtpPassword string, err error) {
	// 30 octets are 40 characters of base64, as long as a secret of AWS.
	var random [40]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Credential{}, "", "", err
	}
	secret = base64.StdEncoding.EncodeToString(random[:30])
	c.AccessKeyID = "AKIA" + base32.StdEncoding.EncodeToString(random[30:])
	for _, t := range terms {
		c.Terms = t
	}
	smtpPassword = b.o.Derive(secret)
	if c, err = b.addCredential(ctx, account, c, secret, smtpPassword, false); err != nil {
		return Credential{}, "", "", err
	}
	return c, secret, smtpPassword, nil
}

// addCredential keeps one whose sealed value is a secret or, when that is all we
// have, the password itself.
func (b *Book) addCredential(ctx context.Context, account string, c Credential, value, smtpPassword string, isPassword bool) (Credential, error) {
	var err error
	if c.Terms, err = c.Terms.Normal(); err != nil {
		return Credential{}, err
	}
	b.change.Lock()
	defer b.change.Unlock()
	a, err := b.Lookup(account)
	if err != nil {
		return Credential{}, err
	}
	c.Account, c.Created = a.ID, time.Now().UTC().Truncate(time.Second)
	d := credentialData{
		V: credentialVersion, Created: c.Created, Sealed: b.keys.Seal([]byte(value), place(c)...),
		Password: isPassword, Imported: c.Imported, Region: c.Region, SigV2: c.SigV2, Terms: termsData(c.Terms),
	}
	r := Record{Kind: KindCredential, Account: a.ID, Name: c.AccessKeyID}
	return b.keepCredential(ctx, &credential{Credential: c, record: r, tag: b.tag(smtpPassword), used: new(atomic.Int64)}, d)
}

// keepCredential writes a credential and then shows it. It is called with change
// held; c is not shared yet.
func (b *Book) keepCredential(ctx context.Context, c *credential, d credentialData) (Credential, error) {
	var err error
	if d.Sealed, _, err = b.keys.Refresh(d.Sealed, place(c.Credential)...); err != nil {
		return Credential{}, fmt.Errorf("credential %s: %w", c.AccessKeyID, err)
	}
	if c.record.Data, err = json.Marshal(d); err != nil {
		return Credential{}, err
	}
	made := c.record.Version == 0
	c.record, err = b.dir.Put(context.WithoutCancel(ctx), c.record)
	if made && errors.Is(err, ErrConflict) {
		return Credential{}, fmt.Errorf("credential %s: %w", c.AccessKeyID, ErrExists)
	}
	if err != nil {
		return Credential{}, fmt.Errorf("keep credential: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credentials[c.AccessKeyID] = c
	return c.shown(), nil
}

// place is where a secret may be opened.
func place(c Credential) []string { return []string{"credential", c.Account, c.AccessKeyID} }

func decodeData(r Record) (credentialData, error) {
	var d credentialData
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return d, fmt.Errorf("credential %s: %w", r.Name, err)
	}
	if d.V != credentialVersion {
		return d, fmt.Errorf("credential %s: written in form %d, this program knows %d", r.Name, d.V, credentialVersion)
	}
	return d, nil
}

func (b *Book) decodeCredential(r Record) (*credential, error) {
	d, err := decodeData(r)
	if err != nil {
		return nil, err
	}
	c := &credential{record: r, used: new(atomic.Int64), Credential: Credential{
		AccessKeyID: r.Name, Account: r.Account, Created: d.Created, RevokedAt: d.Revoked,
		Imported: d.Imported, Region: d.Region, SigV2: d.SigV2, Terms: Terms(d.Terms),
	}}
	if !d.Used.IsZero() {
		c.used.Store(d.Used.Unix())
	}
	sealed, err := b.keys.Open(d.Sealed, place(c.Credential)...)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", r.Name, err)
	}
	password := string(sealed)
	switch {
	case d.Password:
	case d.Imported:
		if b.o.DeriveImported == nil {
			return nil, fmt.Errorf("credential %s: was imported, and there is nothing to derive its password with", r.Name)
		}
		password = b.o.DeriveImported(password, d.Region)
	default:
		password = b.o.Derive(password)
	}
	c.tag = b.tag(password)
	return c, nil
}

// ListCredentials gives the credentials of an account, or with an empty name of
// all accounts, revoked ones among them, oldest first.
func (b *Book) ListCredentials(account string) ([]Credential, error) {
	id := ""
	if account != "" {
		a, err := b.Lookup(account)
		if err != nil {
			return nil, err
		}
		id = a.ID
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []Credential
	for _, c := range b.credentials {
		if id == "" || c.Account == id {
			list = append(list, c.shown())
		}
	}
	slices.SortFunc(list, func(x, y Credential) int {
		if d := x.Created.Compare(y.Created); d != 0 {
			return d
		}
		return strings.Compare(x.AccessKeyID, y.AccessKeyID)
	})
	return list, nil
}

// Revoke ends a credential: the next AUTH with it is refused, and so is the next
// message of an open session. A second time changes nothing. ErrNotFound when
// there is none.
func (b *Book) Revoke(ctx context.Context, accessKeyID string) (Credential, error) {
	c, err := b.alter(ctx, accessKeyID, func(c *Credential, d *credentialData) {
		if !c.Revoked() {
			d.Revoked = time.Now().UTC().Truncate(time.Second)
			c.RevokedAt = d.Revoked
		}
	})
	if err == nil {
		b.ended(accessKeyID)
	}
	return c, err
}

// SetTerms replaces the terms of a credential; ErrNotFound, ErrTerms.
func (b *Book) SetTerms(ctx context.Context, accessKeyID string, t Terms) (Credential, error) {
	t, err := t.Normal()
	if err != nil {
		return Credential{}, err
	}
	return b.alter(ctx, accessKeyID, func(c *Credential, d *credentialData) { c.Terms, d.Terms = t, termsData(t) })
}

// alter changes a credential by what f does to it and to its form on disk.
func (b *Book) alter(ctx context.Context, accessKeyID string, f func(*Credential, *credentialData)) (Credential, error) {
	b.change.Lock()
	defer b.change.Unlock()
	old := b.credential(accessKeyID)
	if old == nil {
		return Credential{}, fmt.Errorf("credential %q: %w", accessKeyID, ErrNotFound)
	}
	d, err := decodeData(old.record)
	if err != nil {
		return Credential{}, err
	}
	before, err := json.Marshal(d)
	if err != nil {
		return Credential{}, err
	}
	// A value that a rotation left under an older key is written in any case.
	_, stale, err := b.keys.Refresh(d.Sealed, place(old.Credential)...)
	if err != nil {
		return Credential{}, fmt.Errorf("credential %s: %w", accessKeyID, err)
	}
	changed := &credential{Credential: old.Credential, record: old.record, tag: old.tag, used: old.used}
	f(&changed.Credential, &d)
	if after, err := json.Marshal(d); err != nil || string(after) == string(before) && !stale {
		return old.shown(), err
	}
	if at := old.used.Load(); at != 0 {
		d.Used = time.Unix(at, 0).UTC()
	}
	return b.keepCredential(ctx, changed, d)
}

// Credential gives one by its access key id; ErrNotFound.
func (b *Book) Credential(accessKeyID string) (Credential, error) {
	c := b.credential(accessKeyID)
	if c == nil {
		return Credential{}, fmt.Errorf("credential %q: %w", accessKeyID, ErrNotFound)
	}
	return c.shown(), nil
}
