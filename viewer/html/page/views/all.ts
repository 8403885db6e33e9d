/* The views in the order of their tabs. */
import type { View } from '../view'
import { flameView } from './flame/flame'
import { locksView } from './locks'
import { matrixView } from './matrix'
import { overviewView } from './overview'
import { threadsView } from './threads'
import { timelineView } from './timeline/timeline'
import { whatIfView } from './whatif'

export const VIEWS: (() => View)[] = [overviewView, timelineView, flameView, matrixView, locksView, threadsView, whatIfView]
