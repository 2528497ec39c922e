package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api/admin"
)

// termsFlags are what a credential may be used for, and what its mail gets.
type termsFlags struct {
	from, networks, domains, tags []string
	set                           string
}

func (t *termsFlags) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&t.from, "from", nil, "only for mail from addresses like this `pattern`, such as *@example.com; repeatable")
	f.StringSliceVar(&t.networks, "network", nil, "only for clients in this `network`, such as 192.0.2.0/24; repeatable")
	f.StringSliceVar(&t.domains, "recipient-domain", nil, "only for mail to domains like this `pattern`, such as *.example.com; repeatable")
	f.StringVar(&t.set, "configuration-set", "", "the configuration set, by `name`, of mail that names none")
	f.StringSliceVar(&t.tags, "tag", nil, "a message tag, `name=value`, of mail that has none of that name; repeatable")
}

// terms gives the old ones with what the flags change.
func (t *termsFlags) terms(old admin.Terms, f *pflag.FlagSet) (admin.Terms, error) {
	out := old
	if f.Changed("from") {
		out.From = given(t.from)
	}
	if f.Changed("recipient-domain") {
		out.RecipientDomains = given(t.domains)
	}
	if f.Changed("configuration-set") {
		out.ConfigurationSet = t.set
	}
	if f.Changed("network") {
		out.Networks = nil
		for _, text := range given(t.networks) {
			if a, err := netip.ParseAddr(text); err == nil {
				text = netip.PrefixFrom(a, a.BitLen()).String()
			}
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return out, fmt.Errorf("--network: %q is not a network, such as 192.0.2.0/24", text)
			}
			out.Networks = append(out.Networks, p)
		}
	}
	if f.Changed("tag") {
		out.Tags = nil
		for _, text := range given(t.tags) {
			name, value, _ := strings.Cut(text, "=")
			out.Tags = append(out.Tags, account.Tag{Name: name, Value: value})
		}
	}
	return out, nil
}

// given drops the empty text, by which a list is emptied.
func given(list []string) []string {
	if len(list) == 1 && list[0] == "" {
		return nil
	}
	return list
}

func newCredentialSet(a *app) *cobra.Command {
	var t termsFlags
	cmd := &cobra.Command{
		Use:   "set ACCESS-KEY-ID",
		Short: "Change what a credential may be used for, and what its mail gets",
		Long: "Change what a credential may be used for, and what its mail gets. What no flag names stays;\n" +
			"an empty value, such as --from \"\", takes a limit away. Open sessions are bound by it too.",
	}
	t.flags(cmd.Flags())
	return named(a, cmd, credentialRows, func(c *admin.Client, ctx context.Context, id string) (admin.Credential, error) {
		old, err := c.Credential(ctx, id)
		if err != nil {
			return old, err
		}
		terms, err := t.terms(old.Terms, cmd.Flags())
		if err != nil {
			return old, err
		}
		return c.SetTerms(ctx, id, terms)
	})
}

func newCredentialShow(a *app) *cobra.Command {
	return named(a, &cobra.Command{Use: "show ACCESS-KEY-ID", Short: "Show a credential, without its secrets"},
		credentialRows, (*admin.Client).Credential)
}

func credentialRows(c admin.Credential) []row {
	rows := []row{{"access key id", c.AccessKeyID}, {"account", c.Account}, {"status", credentialStatus(c)},
		{"created", instant(c.Created)}, {"last used", lastUsed(c)}}
	if c.Region != "" {
		rows = append(rows, row{"region", c.Region})
	}
	for _, r := range []row{
		{"from", strings.Join(c.From, ", ")}, {"networks", join(c.Networks)},
		{"recipient domains", strings.Join(c.RecipientDomains, ", ")},
		{"configuration set", c.ConfigurationSet}, {"tags", tags(c.Tags)},
	} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	return rows
}

func credentialStatus(c admin.Credential) string {
	words := []string{c.Status}
	if c.Imported {
		words = append(words, "imported")
	}
	if c.SigV2 {
		words = append(words, "SigV2")
	}
	return strings.Join(words, ", ")
}

func lastUsed(c admin.Credential) string {
	if c.LastUsed.IsZero() {
		return "never"
	}
	return instant(c.LastUsed)
}

// limits tells in one cell what a credential may be used for.
func limits(t admin.Terms) string {
	var out []string
	for _, l := range []struct{ name, text string }{
		{"from ", strings.Join(t.From, " ")}, {"network ", join(t.Networks)}, {"to ", strings.Join(t.RecipientDomains, " ")},
	} {
		if l.text != "" {
			out = append(out, l.name+l.text)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

func join(list []netip.Prefix) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return strings.Join(out, " ")
}

func tags(list []account.Tag) string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.Name + "=" + t.Value
	}
	return strings.Join(out, " ")
}
