package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A command in a block of its own, which is no sentence, and one within a sentence.
var (
	inBlock = regexp.MustCompile(`^ {4,}(?:\$ )?(?:bin/)?sesame +([a-z].*[^.])$`)
	inText  = regexp.MustCompile("`(?:bin/)?sesame +([a-z][^`]*)`")
)

// What a reader copies, or looks for after having read its name, must be there.
func TestEveryCommandInTheDocumentsIsOne(t *testing.T) {
	t.Setenv("SESAME_CONFIG", "sesame.toml")
	var pages []string
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/howto/*.md", "../../packaging/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	commands := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.ReplaceAll(string(text), "\\\n", " ")
		for line := range strings.Lines(whole) {
			line = strings.TrimRight(line, "\n")
			if m := inBlock.FindStringSubmatch(line); m != nil {
				commands++
				if err := understood(m[1], true); err != nil {
					t.Errorf("%s: sesame %s: %v", page, m[1], err)
				}
				continue
			}
			for _, m := range inText.FindAllStringSubmatch(line, -1) {
				commands++
				if err := understood(m[1], false); err != nil {
					t.Errorf("%s: `sesame %s`: %v", page, m[1], err)
				}
			}
		}
	}
	if commands < 120 {
		t.Errorf("found %d commands, want all of them", commands)
	}
}

// understood looks for a command and its flags; of one that is whole, for its
// arguments too.
func understood(line string, whole bool) error {
	list := words(line)
	if !whole && strings.HasPrefix(list[len(list)-1], "--") {
		list = append(list, "1") // the flag is named, without a value
	}
	cmd, args, err := newRoot(&app{out: io.Discard}).Find(list)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	if args = cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return fmt.Errorf("there is no %q of %s", args[0], cmd.CommandPath())
	}
	if !whole {
		return nil
	}
	for _, check := range []func() error{func() error { return cmd.ValidateArgs(args) }, cmd.ValidateRequiredFlags, cmd.ValidateFlagGroups,
		func() error { return preRun(cmd, args) }} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func preRun(cmd *cobra.Command, args []string) error {
	if cmd.PreRunE == nil {
		return nil
	}
	return cmd.PreRunE(cmd, args)
}

// words parts a line as a shell does, up to what is not the command's any more.
func words(line string) (list []string) {
	word, open, begun := "", rune(0), false
	for _, c := range line + " " {
		switch {
		case open != 0 && c == open:
			open = 0
		case open != 0:
			word += string(c)
		case c == '\'' || c == '"':
			open, begun = c, true
		case c == ' ':
			if begun {
				list = append(list, word)
			}
			word, begun = "", false
		case !begun && strings.ContainsRune("#<>|&;", c):
			return list
		default:
			word, begun = word+string(c), true
		}
	}
	return list
}
