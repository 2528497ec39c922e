package admin

import (
	"context"
	"iter"
	"net/url"

	"github.com/sesame-mta/sesame/account/identity"
)

// AddIdentity adds an identity, and its account when there is none.
func (c *Client) AddIdentity(ctx context.Context, account, name string, o identity.AddOptions) (Identity, error) {
	return one[Identity](ctx, c, "POST", "/v1/identities", nil,
		addRequest{account, name, o.Verified, o.DKIM, o.Ed25519, o.Selector, o.Private})
}

// Identities lists those of an account, or with an empty name of all.
func (c *Client) Identities(ctx context.Context, account string) iter.Seq2[Identity, error] {
	return many[Identity](ctx, c, "/v1/identities", url.Values{"account": {account}})
}

// Identity gives one.
func (c *Client) Identity(ctx context.Context, account, name string) (Identity, error) {
	return one[Identity](ctx, c, "GET", "/v1/identities/show", url.Values{"account": {account}, "identity": {name}}, nil)
}

// RemoveIdentity ends an identity.
func (c *Client) RemoveIdentity(ctx context.Context, account, name string) (Identity, error) {
	return one[Identity](ctx, c, "DELETE", "/v1/identities", url.Values{"account": {account}, "identity": {name}}, nil)
}

// VerifyIdentity begins the verification anew: an address gets another mail, a
// domain is looked for again.
func (c *Client) VerifyIdentity(ctx context.Context, account, name string) (Identity, error) {
	return c.changeIdentity(ctx, "verify", changeRequest{Account: account, Identity: name})
}

// CheckIdentity asks DNS now and says what is wrong.
func (c *Client) CheckIdentity(ctx context.Context, account, name string) (Checked, error) {
	return one[Checked](ctx, c, "POST", "/v1/identities/check", nil, changeRequest{Account: account, Identity: name})
}

// PauseIdentity stops sending as an identity, or lets it go on.
func (c *Client) PauseIdentity(ctx context.Context, account, name string, paused bool) (Identity, error) {
	return c.changeIdentity(ctx, "pause", changeRequest{Account: account, Identity: name, Paused: paused})
}

// SetMailFrom gives an identity a MAIL FROM domain; an empty one takes it away.
func (c *Client) SetMailFrom(ctx context.Context, account, name, domain, onFailure string) (Identity, error) {
	return c.changeIdentity(ctx, "mail-from", changeRequest{Account: account, Identity: name, Domain: domain, OnFailure: onFailure})
}

// RotateDKIM asks for new keys; selector and private bring one of the owner's.
func (c *Client) RotateDKIM(ctx context.Context, account, name, selector string, private []byte) (Identity, error) {
	return c.changeIdentity(ctx, "rotate", changeRequest{Account: account, Identity: name, Selector: selector, Private: private})
}

// SetDefaults changes what is given to mail that names none itself.
func (c *Client) SetDefaults(ctx context.Context, account, name string, d identity.Defaults) (Identity, error) {
	return c.changeIdentity(ctx, "defaults", changeRequest{Account: account, Identity: name, Defaults: d})
}

func (c *Client) changeIdentity(ctx context.Context, what string, q changeRequest) (Identity, error) {
	return one[Identity](ctx, c, "POST", "/v1/identities/"+what, nil, q)
}

// Records gives what to publish for an identity.
func (c *Client) Records(ctx context.Context, account, name string) iter.Seq2[identity.Record, error] {
	return many[identity.Record](ctx, c, "/v1/identities/records", url.Values{"account": {account}, "identity": {name}})
}

// HostRecords gives what to publish for the server itself.
func (c *Client) HostRecords(ctx context.Context) iter.Seq2[identity.Record, error] {
	return many[identity.Record](ctx, c, "/v1/host/records", nil)
}

// ServiceRecords gives what to publish under the service domain.
func (c *Client) ServiceRecords(ctx context.Context) iter.Seq2[identity.Record, error] {
	return many[identity.Record](ctx, c, "/v1/service/records", nil)
}
