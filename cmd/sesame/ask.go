package main

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api/admin"
)

// asks completes a command that asks the server.
func (a *app) asks(cmd *cobra.Command, f func(ctx context.Context, c *admin.Client, args []string) error) *cobra.Command {
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		return f(cmd.Context(), client, args)
	})
	return a.printing(cmd)
}

// one completes a command that prints what f gives.
func one[T any](a *app, cmd *cobra.Command, rows func(T) []row, f func(ctx context.Context, c *admin.Client, args []string) (T, error)) *cobra.Command {
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		v, err := f(ctx, c, args)
		if err != nil {
			return err
		}
		return a.object(v, rows(v)...)
	})
}

// named is one for a command about what its one argument names.
func named[T any](a *app, cmd *cobra.Command, rows func(T) []row, f func(*admin.Client, context.Context, string) (T, error)) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	return one(a, cmd, rows, func(ctx context.Context, c *admin.Client, args []string) (T, error) { return f(c, ctx, args[0]) })
}

// ofAccount is one for a command about what its one argument names in an account.
func ofAccount[T any](a *app, cmd *cobra.Command, rows func(T) []row, f func(c *admin.Client, ctx context.Context, owner, name string) (T, error)) *cobra.Command {
	var owner string
	accountFlag(cmd, &owner)
	if cmd.Args == nil {
		cmd.Args = cobra.ExactArgs(1)
	}
	return one(a, cmd, rows, func(ctx context.Context, c *admin.Client, args []string) (T, error) { return f(c, ctx, owner, args[0]) })
}

// accountFlag adds the flag that names the account a command is about.
func accountFlag(cmd *cobra.Command, owner *string) {
	cmd.Flags().StringVar(owner, "account", account.DefaultName, "the account's `name`")
}

// many completes a command that prints a list, under a head.
func many[T any](a *app, cmd *cobra.Command, head row, text func(T) row, f func(ctx context.Context, c *admin.Client, args []string) iter.Seq2[T, error]) *cobra.Command {
	if cmd.Args == nil {
		cmd.Args = cobra.NoArgs
	}
	return a.asks(cmd, func(ctx context.Context, c *admin.Client, args []string) error {
		return table(a, f(ctx, c, args), head, text)
	})
}

// ofAccounts is many for a list that an account narrows.
func ofAccounts[T any](a *app, cmd *cobra.Command, head row, text func(T) row, f func(c *admin.Client, ctx context.Context, owner string) iter.Seq2[T, error]) *cobra.Command {
	var owner string
	cmd.Flags().StringVar(&owner, "account", "", "only of the account with this `name`")
	return many(a, cmd, head, text, func(ctx context.Context, c *admin.Client, _ []string) iter.Seq2[T, error] { return f(c, ctx, owner) })
}

// says makes rows of a sentence.
func says[T any](sentence func(T) string) func(T) []row {
	return func(v T) []row { return []row{{sentence(v)}} }
}

// changing is the check of a command that changes one thing by at least one of some
// flags.
func changing(lacking string, flags ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(1)(cmd, args); err != nil {
			return err
		}
		if !slices.ContainsFunc(flags, cmd.Flags().Changed) {
			return errors.New(lacking)
		}
		return nil
	}
}
