package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
)

// maxKey is the most that is read of a private key.
const maxKey = 64 << 10

func keyFlags(cmd *cobra.Command, selector *string, stdin *bool) {
	cmd.Flags().StringVar(selector, "dkim-selector", "", "the `selector` of a key of the owner's")
	cmd.Flags().BoolVar(stdin, "dkim-key-stdin", false, "read that private key from standard input")
}

func keyFrom(r io.Reader, wanted bool) ([]byte, error) {
	if !wanted {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(r, maxKey))
}

func newIdentityShow(a *app) *cobra.Command {
	return ofAccount(a, &cobra.Command{Use: "show DOMAIN|ADDRESS", Short: "Show an identity, its states and settings"},
		identityRows, (*admin.Client).Identity)
}

func identityRows(i admin.Identity) []row {
	rows := []row{{"identity", i.Identity}, {"account", i.Account}, {"status", i.Status}, {"created", instant(i.Created)},
		{"verification", string(i.Verification)}, {"DKIM", string(i.DKIM)}}
	for _, k := range i.Keys {
		rows = append(rows, row{"key", k.Selector + " " + k.Algorithm + " " + k.Use})
	}
	if i.Rotating {
		rows = append(rows, row{"rotation", "waits until DNS shows the next key"})
	}
	if i.Signing != "" {
		rows = append(rows, row{"signing", string(i.Signing) + ", as its owner asked"})
	}
	if m := i.MailFrom; m != nil {
		rows = append(rows, row{"MAIL FROM", m.Domain + " " + string(m.State) + ", on failure " + m.OnFailure})
	}
	if i.Paused {
		rows = append(rows, row{"sending", "paused"})
	}
	if i.ConfigurationSet != "" {
		rows = append(rows, row{"configuration set", i.ConfigurationSet})
	}
	forwarding := "on"
	if !i.Forwarding {
		forwarding = "off"
		if len(i.Mailing) > 0 {
			forwarding += ", but nobody else hears now of " + strings.Join(i.Mailing, ",") + ": mailed all the same"
		}
	}
	rows = append(rows, row{"feedback forwarding", forwarding})
	if len(i.Headers) > 0 {
		rows = append(rows, row{"notification headers", strings.Join(i.Headers, ",")})
	}
	for _, k := range slices.Sorted(maps.Keys(i.Tags)) {
		rows = append(rows, row{"tag", k + "=" + i.Tags[k]})
	}
	for _, k := range slices.Sorted(maps.Keys(i.Labels)) {
		rows = append(rows, row{"label", k + "=" + i.Labels[k]})
	}
	return rows
}

func newIdentityVerify(a *app) *cobra.Command {
	return ofAccount(a, &cobra.Command{
		Use: "verify DOMAIN|ADDRESS", Short: "Begin a verification anew: look at DNS again, or mail another link",
	}, says(func(i admin.Identity) string {
		if i.Mailed {
			return "A link was mailed to " + i.Identity + "; it is good for 24 hours."
		}
		return "DNS is asked about " + i.Identity + " for 72 hours."
	}), (*admin.Client).VerifyIdentity)
}

func newIdentityCheck(a *app) *cobra.Command {
	var owner string
	cmd := &cobra.Command{
		Use: "check DOMAIN|ADDRESS", Short: "Ask DNS about an identity now and say what is wrong, one line each", Args: cobra.ExactArgs(1),
	}
	accountFlag(cmd, &owner)
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		checked, err := c.CheckIdentity(ctx, owner, args[0])
		if err != nil {
			return err
		}
		rows := make([]row, 0, len(checked.Problems))
		for _, p := range checked.Problems {
			rows = append(rows, row{p})
		}
		if len(rows) == 0 {
			rows = []row{{"no problems found"}}
		}
		if err := a.object(checked, rows...); err != nil {
			return err
		}
		if n := len(checked.Problems); n > 0 {
			return fmt.Errorf("%d problems with %s", n, checked.Identity.Identity)
		}
		return nil
	})
}

func newIdentityPause(a *app, pause bool) *cobra.Command {
	cmd, text := &cobra.Command{Use: "pause DOMAIN|ADDRESS", Short: "Refuse mail that is sent as an identity"}, "is paused."
	if !pause {
		cmd, text = &cobra.Command{Use: "resume DOMAIN|ADDRESS", Short: "Accept mail of a paused identity again"}, "is not paused."
	}
	return ofAccount(a, cmd, says(func(i admin.Identity) string { return i.Identity + " of " + i.Account + " " + text }),
		func(c *admin.Client, ctx context.Context, owner, name string) (admin.Identity, error) {
			return c.PauseIdentity(ctx, owner, name, pause)
		})
}

func newIdentityMailFrom(a *app) *cobra.Command {
	var (
		domain, onFailure string
		off               bool
	)
	cmd := &cobra.Command{
		Use:   "mail-from DOMAIN|ADDRESS --domain DOMAIN | --off",
		Short: "Give an identity a MAIL FROM domain of its own",
		Long: "Give an identity a MAIL FROM domain of its own: a subdomain of its domain with exactly one MX, to\n" +
			"the feedback host, and an SPF record. While these are not there, mail is refused with --on-failure\n" +
			"reject; with default it leaves as if there were no such domain.",
		Args: func(cmd *cobra.Command, args []string) error {
			if off == (domain != "") {
				return errors.New("give --domain, or --off")
			}
			if onFailure != admin.OnFailureDefault && onFailure != admin.OnFailureReject {
				return errors.New("--on-failure is default or reject")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "the MAIL FROM `domain`")
	cmd.Flags().StringVar(&onFailure, "on-failure", admin.OnFailureDefault, "`default` or reject")
	cmd.Flags().BoolVar(&off, "off", false, "take it away")
	return ofAccount(a, cmd, mailFromRows, func(c *admin.Client, ctx context.Context, owner, name string) (admin.Identity, error) {
		return c.SetMailFrom(ctx, owner, name, domain, onFailure)
	})
}

// mailFromRows are an identity with what is to be published for its MAIL FROM domain.
func mailFromRows(i admin.Identity) []row {
	rows := identityRows(i)
	for _, r := range i.Records {
		if i.MailFrom != nil && r.Name == i.MailFrom.Domain {
			rows = append(rows, row{r.Name, r.Type, r.Value})
		}
	}
	return rows
}

func newIdentityRotate(a *app) *cobra.Command {
	var (
		selector string
		stdin    bool
	)
	cmd := &cobra.Command{
		Use:   "rotate-dkim DOMAIN",
		Short: "Sign with new DKIM keys as soon as DNS shows them",
		Long: "Sign with new DKIM keys as soon as DNS shows them. The old ones stay published for a week after.\n" +
			"With Easy DKIM the next key stands in the service domain's zone already and nothing is to be done;\n" +
			"else publish what sesame identity records prints.",
		Args: func(cmd *cobra.Command, args []string) error {
			if stdin != (selector != "") {
				return errors.New("--dkim-selector and --dkim-key-stdin go together")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	keyFlags(cmd, &selector, &stdin)
	return ofAccount(a, cmd, identityRows, func(c *admin.Client, ctx context.Context, owner, name string) (admin.Identity, error) {
		private, err := keyFrom(cmd.InOrStdin(), stdin)
		if err != nil {
			return admin.Identity{}, err
		}
		return c.RotateDKIM(ctx, owner, name, selector, private)
	})
}
