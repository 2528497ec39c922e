// Package lint keeps the rules of the house that no linter knows: who may import
// whom, where each library lives, no mutable state in packages. They are tests;
// the package has no code of its own, and no program links it.
package lint
