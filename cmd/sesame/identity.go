package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
)

func newIdentity(a *app) *cobra.Command {
	return group("identity", "Say which domains and addresses accounts may send as",
		newIdentityAdd(a), newIdentityList(a), newIdentityShow(a), newIdentityRemove(a), newIdentityRecords(a),
		newIdentityVerify(a), newIdentityCheck(a), newIdentityPause(a, true), newIdentityPause(a, false),
		newIdentityMailFrom(a), newIdentityRotate(a), newIdentitySet(a))
}

func newIdentityAdd(a *app) *cobra.Command {
	var (
		o      identity.AddOptions
		noDKIM bool
		stdin  bool
	)
	cmd := &cobra.Command{
		Use:   "add DOMAIN|ADDRESS",
		Short: "Add a domain or an address, make its DKIM keys and print the DNS records to publish",
		Long: "Add a domain or an address that an account may send as. For a domain DKIM keys are made,\n" +
			"and the DNS records to publish are printed; an address gets a mail with a link. It counts once\n" +
			"it is verified; with --verified it is so by your word, also when it was added before. An account\n" +
			"that does not exist is made. With --dkim-selector and --dkim-key-stdin the domain signs with a\n" +
			"key of its owner's: PKCS#8 or PKCS#1, as PEM or base64.",
		Args: func(cmd *cobra.Command, args []string) error {
			if stdin != (o.Selector != "") {
				return errors.New("--dkim-selector and --dkim-key-stdin go together")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Verified, "verified", false, "take it as verified")
	f.BoolVar(&noDKIM, "no-dkim", false, "make no DKIM key")
	f.BoolVar(&o.Ed25519, "ed25519", false, "make an Ed25519 key beside the RSA key")
	keyFlags(cmd, &o.Selector, &stdin)
	cmd.MarkFlagsMutuallyExclusive("no-dkim", "ed25519", "dkim-selector")
	return ofAccount(a, cmd, addedRows, func(c *admin.Client, ctx context.Context, owner, name string) (i admin.Identity, err error) {
		o.DKIM = !noDKIM
		if o.Private, err = keyFrom(cmd.InOrStdin(), stdin); err != nil {
			return i, err
		}
		return c.AddIdentity(ctx, owner, name, o)
	})
}

func addedRows(i admin.Identity) []row {
	rows := []row{{"identity", i.Identity}, {"account", marked(i.Account, i.AccountMade)}, {"status", i.Status}}
	if i.Mailed {
		rows = append(rows, row{"A link was mailed to it; it is good for 24 hours."})
	}
	if len(i.Records) > 0 {
		rows = append(rows, row{}, row{"Publish:"})
	}
	for _, r := range i.Records {
		rows = append(rows, row{r.Name, r.Type, r.Value})
	}
	return rows
}

func newIdentityList(a *app) *cobra.Command {
	return ofAccounts(a, &cobra.Command{Use: "list", Short: "List identities"}, row{"IDENTITY", "ACCOUNT", "STATUS", "CREATED"},
		func(i admin.Identity) row { return row{i.Identity, i.Account, i.Status, instant(i.Created)} }, (*admin.Client).Identities)
}

func newIdentityRemove(a *app) *cobra.Command {
	return ofAccount(a, &cobra.Command{Use: "remove DOMAIN|ADDRESS", Short: "Remove an identity and its keys"},
		says(func(i admin.Identity) string { return i.Identity + " of " + i.Account + " is removed." }), (*admin.Client).RemoveIdentity)
}

func newIdentityRecords(a *app) *cobra.Command {
	var (
		owner string
		host  bool
	)
	cmd := &cobra.Command{
		Use:   "records DOMAIN|ADDRESS|--host",
		Short: "Print the DNS records to publish for an identity, or for the server itself",
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == host {
				return errors.New("name one identity, or --host")
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
	}
	accountFlag(cmd, &owner)
	cmd.Flags().BoolVar(&host, "host", false, "those of the server itself")
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		if host {
			return a.zone(c.HostRecords(ctx))
		}
		return a.zone(c.Records(ctx, owner, args[0]))
	})
}
