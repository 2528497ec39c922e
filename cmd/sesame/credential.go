package main

import (
	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api/admin"
)

func newCredential(a *app) *cobra.Command {
	return group("credential", "Make, list and revoke the credentials of accounts",
		newCredentialCreate(a), newCredentialImport(a), newCredentialList(a), newCredentialShow(a),
		newCredentialSet(a), newCredentialRevoke(a))
}

func newCredentialCreate(a *app) *cobra.Command {
	var (
		owner string
		t     termsFlags
	)
	cmd := a.printing(&cobra.Command{
		Use:   "create",
		Short: "Make a credential: a user name and password for SMTP, and the keys they come from",
		Long: "Make a credential: a user name and password for SMTP, and the keys they come from.\n" +
			"The secrets are shown this once. An account that does not exist is made.",
		Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			terms, err := t.terms(admin.Terms{}, cmd.Flags())
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := client.CreateCredential(cmd.Context(), owner, terms)
			if err != nil {
				return err
			}
			return a.object(c,
				row{"account", marked(c.Account, c.AccountMade)},
				row{"username", c.Username},
				row{"password", c.Password},
				row{"access key id", c.AccessKeyID},
				row{"secret access key", c.SecretAccessKey})
		}),
	})
	cmd.Flags().StringVar(&owner, "account", account.DefaultName, "the account's `name`")
	t.flags(cmd.Flags())
	return cmd
}

func newCredentialList(a *app) *cobra.Command {
	var owner string
	cmd := a.printing(&cobra.Command{
		Use: "list", Short: "List credentials, without their secrets", Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			return table(a, client.Credentials(cmd.Context(), owner), row{"ACCESS KEY ID", "ACCOUNT", "STATUS", "CREATED", "LAST USED", "LIMITS"},
				func(c admin.Credential) row {
					return row{c.AccessKeyID, c.Account, credentialStatus(c), instant(c.Created), lastUsed(c), limits(c.Terms)}
				})
		}),
	})
	cmd.Flags().StringVar(&owner, "account", "", "only of the account with this `name`")
	return cmd
}

func newCredentialRevoke(a *app) *cobra.Command {
	return a.printing(&cobra.Command{
		Use: "revoke ACCESS-KEY-ID", Short: "End a credential for good", Args: cobra.ExactArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := client.RevokeCredential(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.object(c, row{c.AccessKeyID + " of " + c.Account + " is revoked."})
		}),
	})
}

// marked tells an account that was made just now.
func marked(account string, made bool) string {
	if made {
		return account + " (new)"
	}
	return account
}
