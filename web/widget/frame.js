/** @file The chat inside the widget’s frame. */

export {};
