// Package models is the zoo: each model is a short function that reads like its paper, and a line in the registry.
// All take one-channel images and tell ten classes apart.
package models
