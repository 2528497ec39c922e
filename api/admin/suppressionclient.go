package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Suppress adds an address to a suppression list, or replaces it.
func (c *Client) Suppress(ctx context.Context, q SuppressRequest) (Suppressed, error) {
	return one[Suppressed](ctx, c, "POST", "/v1/suppression", nil, q)
}

// listOf names a list: the account's, or with an empty name the installation's.
func listOf(account string) url.Values {
	if account == "" {
		return url.Values{"installation": {"true"}}
	}
	return url.Values{"account": {account}}
}

// Suppressed gives what a list has of an address.
func (c *Client) Suppressed(ctx context.Context, account, address string) (Suppressed, error) {
	return c.Left(ctx, account, address, "")
}

// Left gives what a list has of an address that left a mailing list; with an empty
// name of one it is Suppressed.
func (c *Client) Left(ctx context.Context, account, address, from string) (Suppressed, error) {
	q := listOf(account)
	q.Set("address", address)
	q.Set("list", from)
	return one[Suppressed](ctx, c, "GET", "/v1/suppression/show", q, nil)
}

// Unsuppress takes an address off a list.
func (c *Client) Unsuppress(ctx context.Context, account, address string) (Suppressed, error) {
	return c.Rejoin(ctx, account, address, "")
}

// Rejoin forgets that an address left a mailing list; with an empty name of one it
// is Unsuppress.
func (c *Client) Rejoin(ctx context.Context, account, address, to string) (Suppressed, error) {
	q := listOf(account)
	q.Set("address", address)
	q.Set("list", to)
	return one[Suppressed](ctx, c, "DELETE", "/v1/suppression", q, nil)
}

// SuppressedFilter narrows a list; zero fields do not narrow.
type SuppressedFilter struct {
	Reason       string
	Since, Until time.Time // of the last update
}

// AllSuppressed gives a list in the order of its addresses.
func (c *Client) AllSuppressed(ctx context.Context, account string, f SuppressedFilter) iter.Seq2[Suppressed, error] {
	q := listOf(account)
	q.Set("reason", f.Reason)
	for key, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			q.Set(key, at.Format(time.RFC3339))
		}
	}
	return many[Suppressed](ctx, c, "/v1/suppression", q)
}

// ImportSuppressed puts the addresses of a file, in the form "csv" or "jsonl", on
// a list or, with off, takes them off it.
func (c *Client) ImportSuppressed(ctx context.Context, account string, file io.Reader, form string, off bool) (done Imported, err error) {
	q := listOf(account)
	q.Set("form", form)
	if off {
		q.Set("delete", "true")
	}
	u := url.URL{Scheme: "http", Host: "sesame", Path: importPath, RawQuery: q.Encode()}
	// Whoever is refused is not to send a long file first.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), io.NopCloser(file))
	if err != nil {
		return done, err
	}
	r.Header.Set("Expect", "100-continue")
	content, err := c.send(r)
	if err != nil {
		return done, err
	}
	defer content.Close()
	if err := json.NewDecoder(content).Decode(&done); err != nil {
		return done, fmt.Errorf("read the server's answer: %w", err)
	}
	return done, nil
}
