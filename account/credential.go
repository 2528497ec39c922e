package account

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Credential is a key pair of an account. Its secret is sealed on disk, shown
// once when it is made and never again.
type Credential struct {
	AccessKeyID string // the SMTP user name: AKIA and 16 of A-Z, 2-7
	Account     string // 12 digits
	Created     time.Time
	RevokedAt   time.Time // zero while it is good
}

// Revoked reports whether the credential is good no more.
func (c Credential) Revoked() bool { return !c.RevokedAt.IsZero() }

const credentialVersion = 1

// credentialData is a Credential on disk; owner and access key id are the record's.
type credentialData struct {
	V       int       `json:"v"`
	Sealed  []byte    `json:"sealed"`
	Created time.Time `json:"created"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// credential is one in memory: the record to compare with, and the tag of its
// password.
type credential struct {
	Credential
	record Record
	tag    tag
}

// CreateCredential makes a credential for an account, given by name or id. The
// secret and the SMTP password derived from it cannot be had again.
func (b *Book) CreateCredential(ctx context.Context, account string) (c Credential, secret, smtpPassword string, err error) {
	a, err := b.Lookup(account)
	if err != nil {
		return Credential{}, "", "", err
	}
	// 30 octets are 40 characters of base64, as long as a secret of AWS.
	var random [40]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Credential{}, "", "", err
	}
	secret = base64.StdEncoding.EncodeToString(random[:30])
	c = Credential{
		AccessKeyID: "AKIA" + base32.StdEncoding.EncodeToString(random[30:]),
		Account:     a.ID,
		Created:     time.Now().UTC().Truncate(time.Second),
	}
	data := credentialData{V: credentialVersion, Created: c.Created, Sealed: b.keys.Seal([]byte(secret), place(c)...)}
	r := Record{Kind: KindCredential, Account: a.ID, Name: c.AccessKeyID}
	if r.Data, err = json.Marshal(data); err != nil {
		return Credential{}, "", "", err
	}
	b.change.Lock()
	defer b.change.Unlock()
	if r, err = b.dir.Put(context.WithoutCancel(ctx), r); err != nil {
		return Credential{}, "", "", fmt.Errorf("keep credential: %w", err)
	}
	smtpPassword = b.derive(secret)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credentials[c.AccessKeyID] = &credential{c, r, b.tag(smtpPassword)}
	return c, secret, smtpPassword, nil
}

// place is where a secret may be opened.
func place(c Credential) []string { return []string{"credential", c.Account, c.AccessKeyID} }

func (b *Book) decodeCredential(r Record) (*credential, error) {
	var d credentialData
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return nil, fmt.Errorf("credential %s: %w", r.Name, err)
	}
	if d.V != credentialVersion {
		return nil, fmt.Errorf("credential %s: written in form %d, this program knows %d", r.Name, d.V, credentialVersion)
	}
	c := Credential{r.Name, r.Account, d.Created, d.Revoked}
	secret, err := b.keys.Open(d.Sealed, place(c)...)
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", r.Name, err)
	}
	return &credential{c, r, b.tag(b.derive(string(secret)))}, nil
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
			list = append(list, c.Credential)
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

// Revoke ends a credential: the next AUTH with it is refused. A second time
// changes nothing. ErrNotFound when there is none.
func (b *Book) Revoke(ctx context.Context, accessKeyID string) (Credential, error) {
	b.change.Lock()
	defer b.change.Unlock()
	b.mu.RLock()
	old := b.credentials[accessKeyID]
	b.mu.RUnlock()
	if old == nil {
		return Credential{}, fmt.Errorf("credential %q: %w", accessKeyID, ErrNotFound)
	}
	if old.Revoked() {
		return old.Credential, nil
	}
	var d credentialData
	if err := json.Unmarshal(old.record.Data, &d); err != nil {
		return Credential{}, fmt.Errorf("credential %s: %w", accessKeyID, err)
	}
	d.Revoked = time.Now().UTC().Truncate(time.Second)
	r := old.record
	var err error
	if r.Data, err = json.Marshal(d); err != nil {
		return Credential{}, err
	}
	if r, err = b.dir.Put(context.WithoutCancel(ctx), r); err != nil {
		return Credential{}, fmt.Errorf("keep credential: %w", err)
	}
	changed := &credential{old.Credential, r, old.tag}
	changed.RevokedAt = d.Revoked
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credentials[accessKeyID] = changed
	return changed.Credential, nil
}
