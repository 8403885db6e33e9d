/* The views in the order of their tabs. */
import type { View } from '../view'
import { FlameView } from './flame/flame'
import { Locks } from './locks'
import { Matrix } from './matrix'
import { Overview } from './overview'
import { Threads } from './threads'
import { TimelineView } from './timeline/timeline'
import { WhatIfView } from './whatif'

export const VIEWS: (new () => View)[] = [Overview, TimelineView, FlameView, Matrix, Locks, Threads, WhatIfView]
